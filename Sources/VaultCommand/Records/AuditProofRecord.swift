import TokenVault

/// A proof to be handed on: the text of the file, and what checks it.
struct AuditProofRecord: Record {
    /// The whole file, with its newlines.
    let proof: String
    let size: Int64
    let verifierKey: String

    init(_ proof: AuditProof, verifierKey: String) {
        self.proof = proof.text
        size = proof.size
        self.verifierKey = verifierKey
    }

    /// Exactly the file: every line of it ends in a newline, the last one too.
    var lines: [String] { proof.fileLines }
}

/// A signed checkpoint to be kept: `{"checkpoint":"…","verifier_key":"…"}`.
struct AuditCheckpointRecord: Record {
    let checkpoint: String
    let verifierKey: String

    var lines: [String] { checkpoint.fileLines }
}

/// What a proof shows.
struct CheckedProofRecord: Record {
    let ok = true
    /// `inclusion` or `consistency`.
    let claim: String
    let origin: String
    let size: Int64
    let root: String
    /// The entry's number and exact text.
    var index: Int64?
    var leaf: String?
    /// Size of the older log.
    var oldSize: Int64?

    init(_ verdict: AuditProof.Verdict) {
        origin = verdict.origin
        size = verdict.size
        root = verdict.root
        switch verdict.claim {
        case .inclusion(let index, let leaf):
            claim = "inclusion"
            self.index = index
            self.leaf = String(decoding: leaf, as: UTF8.self)
        case .consistency(let old):
            claim = "consistency"
            oldSize = old
        }
    }

    private enum CodingKeys: String, CodingKey { case ok, claim, origin, size, root, index, leaf, oldSize }

    var lines: [String] {
        var pairs = [("proved", claim), ("log", origin), ("entries", "\(size)"), ("root", root)]
        if let index { pairs.append(("entry", "\(index)")) }
        if let leaf { pairs.append(("leaf", leaf)) }
        if let oldSize { pairs.append(("begins_with", "\(oldSize) entries")) }
        return Table.pairs(pairs)
    }
}

extension String {
    /// The lines of a text that ends in a newline, without that one.
    fileprivate var fileLines: [String] {
        var lines = split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
        if lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }
}
