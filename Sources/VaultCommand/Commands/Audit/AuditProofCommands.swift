import ArgumentParser
import TokenVault
import VaultAudit
import VaultCore

/// Proves to others that the log has an entry.
struct AuditProveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "prove", abstract: "Prove that the log has an entry, for holders of its verifier key.",
        discussion: """
            Writes a C2SP tlog-proof to standard output: the entry, its place, the hashes up to the root, and \
            the signed checkpoint. 'audit check-proof' and other software check it without the vault.

            Examples:
              tokenvault audit prove 17 > 17.tlog-proof
              tokenvault audit prove 17 --checkpoint-size 4096 --json
            """)

    @Argument(help: "The number of the entry.")
    var entry: Int64
    @Option(
        help: ArgumentHelp(
            "Prove it for the log of this size (default: the newest checkpoint).", valueName: "entries"))
    var checkpointSize: Int64?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let proof = try await location.withVault { vault in
            (try await vault.log.proof(of: entry, checkpointSize: checkpointSize), vault.log.verifierKey)
        }
        try output.show(Shown(proof.0, verifierKey: proof.1))
        output.note("To check it, use the verifier key \(proof.1)")
    }
}

/// Proves to others that the log only grew.
struct AuditConsistencyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "consistency",
        abstract: "Prove that an older checkpoint is the beginning of today's log.",
        discussion: """
            Writes the proof to standard output, in the form that C2SP witnesses accept. 'audit check-proof \
            --from' checks it without the vault. Exit code 7 means that the log does not begin with that \
            checkpoint.

            Examples:
              tokenvault audit consistency --from monday.checkpoint
              tokenvault audit consistency --from monday.checkpoint > since-monday.proof
            """)

    @Option(help: ArgumentHelp("An older signed checkpoint.", valueName: "file"), completion: .file())
    var from: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let old = try ProofFile.checkpoint(from)
        let proof = try await location.withVault { vault in
            (try await vault.log.consistencyProof(from: old), vault.log.verifierKey)
        }
        try output.show(Shown(proof.0, verifierKey: proof.1))
        output.note("The log of \(proof.0.size) entries begins with the checkpoint.")
    }
}

/// Prints the newest signed checkpoint, to be kept somewhere else.
struct AuditCheckpointCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "checkpoint", abstract: "Print the newest signed checkpoint, to keep it outside.",
        discussion: """
            A C2SP checkpoint: the log, its number of entries and their root, signed. Use it later with 'audit \
            consistency' and 'audit verify --since'.

            With --cosigned every witness among the anchors is asked to cosign it first, so that readers need \
            not trust you alone. Exit code 9 if one did not; the checkpoint is printed with the other \
            signatures.

            Examples:
              tokenvault audit checkpoint > /elsewhere/monday.checkpoint
              tokenvault audit checkpoint --cosigned > /var/www/checkpoint
            """)

    @Flag(name: .customLong("cosigned"), help: "Add the cosignatures of the witnesses among the anchors.")
    var isCosigned = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let (checkpoint, missing) = try await location.withVault { vault in
            let (note, missing) =
                isCosigned
                ? try await vault.anchors.cosignedCheckpoint() : (try await vault.log.checkpoint(), [])
            if isCosigned, try await !vault.anchors.list().contains(where: { $0.kind == .witness }) {
                throw VaultError(
                    .notFound, "No anchor is a witness.", remedy: "See 'tokenvault audit anchor add --help'.")
            }
            let shown = Shown(
                [.json("checkpoint", note), .json("verifier_key", vault.log.verifierKey)],
                lines: note.fileLines)
            return (shown, missing)
        }
        try output.show(checkpoint)
        for anchor in missing { output.note(anchor.advice) }
        guard missing.isEmpty else { throw ExitStatus.unavailable }
    }
}

/// Checks a proof without any vault.
struct AuditCheckProofCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check-proof",
        abstract: "Check a proof about a log, without its vault and without any secret.",
        discussion: """
            Get the verifier key from another source than the proof: it decides which log is believed. Exit code \
            7 means that the proof does not show what it claims.

            Examples:
              tokenvault audit check-proof 17.tlog-proof --vkey "$VKEY"
              tokenvault audit check-proof 17.tlog-proof --vkey "$VKEY" --leaf entry.json
              tokenvault audit check-proof since.proof --vkey "$VKEY" --from old.checkpoint
            """)

    @Argument(help: "The proof.", completion: .file())
    var file: String
    @Option(help: ArgumentHelp("The log's verifier key (C2SP vkey).", valueName: "vkey"))
    var vkey: String
    @Option(
        help: ArgumentHelp("The entry's exact bytes (default: those in the proof).", valueName: "file"),
        completion: .file())
    var leaf: String?
    @Option(
        help: ArgumentHelp("The older checkpoint, for a proof of consistency.", valueName: "file"),
        completion: .file())
    var from: String?
    @OptionGroup var output: OutputArguments

    func run() throws {
        let verdict = try AuditProof.check(
            try ProofFile.proof(file), verifierKey: vkey, leaf: try leaf.map(ProofFile.leaf),
            old: try from.map(ProofFile.checkpoint))
        var fields: [Shown.Field] = [
            .json("ok", true), .json("origin", verdict.origin), .json("size", verdict.size),
        ]
        let claim: String
        let claimed: [Shown.Field]
        switch verdict.claim {
        case .inclusion(let index, let leaf):
            claim = "inclusion"
            claimed = [
                .json("index", index), .text("entry", "\(index)"),
                .both("leaf", String(decoding: leaf, as: UTF8.self)),
            ]
        case .consistency(let old):
            claim = "consistency"
            claimed = [.json("old_size", old), .text("begins_with", "\(old) entries")]
        }
        fields += [
            .json("claim", claim), .text("proved", claim), .text("log", verdict.origin),
            .text("entries", "\(verdict.size)"), .both("root", verdict.root),
        ]
        try output.show(Shown(fields + claimed))
    }
}

/// Files that come from outside, read with their bounds.
enum ProofFile {
    static func proof(_ path: String) throws -> [UInt8] {
        try read(path, Limits.signedNoteBytes + Limits.proofHeadBytes)
    }

    static func checkpoint(_ path: String) throws -> [UInt8] { try read(path, Limits.signedNoteBytes) }

    /// The end of line that an editor or a shell puts after an entry is not part of it.
    static func leaf(_ path: String) throws -> [UInt8] {
        var bytes = try read(path, Limits.leafBytes + 1)
        if bytes.last == UInt8(ascii: "\n") { bytes.removeLast() }
        return bytes
    }

    private static func read(_ path: String, _ limit: Int) throws -> [UInt8] {
        try SmallFile.read(path, limit: limit, closed: .toNobody, remedy: "Check the name of the file.")
    }
}

extension Shown {
    /// A proof to be handed on: the text of the file, with its newlines, and what checks it.
    fileprivate init(_ proof: AuditProof, verifierKey: String) {
        self.init(
            [.json("proof", proof.text), .json("size", proof.size), .json("verifier_key", verifierKey)],
            lines: proof.text.fileLines)
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
