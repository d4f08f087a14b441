package import VaultCore
package import VaultCrypto

/// A proof as a file that others read: lines of text, an empty line, and the signed checkpoint it ends in.
///
/// An inclusion proof is a C2SP tlog-proof, a consistency proof the body that C2SP tlog-witness asks for:
///
/// ```
/// c2sp.org/tlog-proof@v1            old 512
/// extra <the leaf, base64>          <hash, base64>
/// index 17                          …
/// <hash, base64>
/// …                                 <signed checkpoint>
///
/// <signed checkpoint>
/// ```
///
/// `extra` may be left out, and proves nothing by itself: it is the leaf only if the proof holds for its hash.
package struct ProofText: Sendable, Equatable {
    /// What is proved of the tree of the checkpoint.
    package enum Claim: Sendable, Equatable {
        /// That a leaf is in it, at this index.
        case inclusion(index: UInt64)
        /// That it begins with the tree of this many leaves.
        case consistency(old: UInt64)
    }

    package let claim: Claim
    /// What comes along with an inclusion proof.
    package let extra: [UInt8]?
    /// Lowest first.
    package let hashes: [Digest]
    /// The signed note, verbatim.
    package let note: String

    package init(_ claim: Claim, extra: [UInt8]? = nil, hashes: [Digest], note: String) {
        self.claim = claim
        self.extra = extra
        self.hashes = hashes
        self.note = note
    }

    package var text: String {
        let head =
            switch claim {
            case .inclusion(let index):
                Self.header + "\n" + (extra.map { "extra \(Base64.encode($0))\n" } ?? "") + "index \(index)\n"
            case .consistency(let old): "old \(old)\n"
            }
        return head + hashes.map { Base64.encode($0.bytes) + "\n" }.joined() + "\n" + note
    }

    /// Reads a proof from anywhere, in its one spelling. Throws ``VaultError/Code/integrity`` for anything
    /// but a well-formed proof of at most ``Limits/proofHashes`` hashes. The checkpoint in it is not looked
    /// at, nor `extra` data believed.
    package static func parse(_ bytes: [UInt8]) throws(VaultError) -> ProofText {
        guard bytes.count <= Limits.signedNoteBytes + Limits.proofHeadBytes else {
            throw malformed("too long")
        }
        guard String(validating: bytes, as: UTF8.self) != nil else { throw malformed("not UTF-8") }
        var lines = Lines(bytes)
        let (claim, extra) = try claim(&lines)
        var hashes: [Digest] = []
        while let line = lines.next(), !line.isEmpty {
            guard hashes.count < Limits.proofHashes, let octets = Base64.decode(line),
                let hash = Digest(bytes: octets)
            else { throw malformed("a bad or surplus hash") }
            hashes.append(hash)
        }
        guard !lines.rest.isEmpty else { throw malformed("no checkpoint") }
        return ProofText(
            claim, extra: extra, hashes: hashes, note: String(decoding: lines.rest, as: UTF8.self))
    }

    private static let header = "c2sp.org/tlog-proof@v1"

    private static func claim(_ lines: inout Lines) throws(VaultError) -> (Claim, extra: [UInt8]?) {
        guard var line = lines.next() else { throw malformed("empty") }
        if let old = number(line, after: "old ") { return (.consistency(old: old), nil) }
        guard line.elementsEqual(header.utf8), let second = lines.next() else {
            throw malformed("an unknown first line")
        }
        line = second
        var extra: [UInt8]?
        if let text = rest(of: line, after: "extra ") {
            guard let data = Base64.decode(text), let third = lines.next() else {
                throw malformed("bad extra data")
            }
            extra = data
            line = third
        }
        guard let index = number(line, after: "index ") else { throw malformed("no index") }
        return (.inclusion(index: index), extra)
    }

    private static func number(_ line: ArraySlice<UInt8>, after word: String) -> UInt64? {
        rest(of: line, after: word).flatMap(Checkpoint.size)
    }

    private static func rest(of line: ArraySlice<UInt8>, after word: String) -> ArraySlice<UInt8>? {
        line.starts(with: word.utf8) ? line.dropFirst(word.utf8.count) : nil
    }

    private static func malformed(_ reason: String) -> VaultError {
        VaultError(.integrity, "This is not a proof: \(reason).", remedy: "Ask for the proof again.")
    }
}

/// Lines that end in a newline each, and what is left after them.
private struct Lines {
    private(set) var rest: ArraySlice<UInt8>

    init(_ bytes: [UInt8]) { rest = bytes[...] }

    /// Nil when no whole line is left.
    mutating func next() -> ArraySlice<UInt8>? {
        guard let end = rest.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
        defer { rest = rest[(end + 1)...] }
        return rest[..<end]
    }
}

/// A proof is believed only with the log's key, which nothing in the file vouches for.
extension ProofText {
    /// The checkpoint at its end, once `key` is known to have signed it. Throws ``VaultError/Code/integrity``
    /// for another log, another key, or an altered text.
    package func checkpoint(signedBy key: NoteKey) throws(VaultError) -> Checkpoint {
        try Checkpoint.read(Array(note.utf8), signedBy: key)
    }

    /// Whether this shows that the leaf of that hash is in the tree of `checkpoint`.
    package func proves(leafHash: Digest, in checkpoint: Checkpoint) -> Bool {
        guard case .inclusion(let index) = claim else { return false }
        return MerkleProof.verifyInclusion(
            leafHash: leafHash, index: index, size: checkpoint.size, proof: hashes, root: checkpoint.root)
    }

    /// Whether this shows that the tree of `checkpoint` begins with that of `old`.
    package func proves(extensionOf old: Checkpoint, by checkpoint: Checkpoint) -> Bool {
        guard case .consistency(old.size) = claim, old.origin == checkpoint.origin else { return false }
        return MerkleProof.verifyConsistency(
            old: old.size, oldRoot: old.root, new: checkpoint.size, newRoot: checkpoint.root, proof: hashes)
    }
}
