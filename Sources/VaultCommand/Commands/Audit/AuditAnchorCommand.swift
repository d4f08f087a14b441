import ArgumentParser
import Foundation
import VaultAudit

/// The anchors of a vault.
struct AuditAnchorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "anchor",
        abstract: "Publish checkpoints outside the vault, so that an older or cut copy is found.",
        discussion: """
            A serving process publishes to every anchor once a second after changes, and to witnesses every five \
            seconds. Other commands publish to files when they end. A vault that is behind a file anchor, or has \
            forked from it, does not open: exit code 7.
            """,
        subcommands: [
            AuditAnchorAddCommand.self, AuditAnchorListCommand.self, AuditAnchorCheckCommand.self,
            AuditAnchorRemoveCommand.self,
        ])
}

struct AuditAnchorAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add an anchor, and publish the newest checkpoint to it.",
        discussion: """
              file PATH      holds the newest signed checkpoint; best on another disk
              exec PROGRAM   reads the signed checkpoint from standard input in 5 seconds
              witness URL    a C2SP witness, which cosigns checkpoints that are consistent

            Give the log's verifier key ('audit checkpoint --json' prints it) to the witness's operator. --key \
            is the witness's C2SP vkey for cosignature/v1; only answers signed by it are believed.

            Examples:
              tokenvault audit anchor add file /mnt/other-disk/vault.checkpoint
              tokenvault audit anchor add exec /usr/local/libexec/publish-checkpoint
              tokenvault audit anchor add witness https://witness.example/w1 --key "$VKEY"
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable { case file, exec, witness }

    @Argument(help: "Kind of the anchor, as above.")
    var kind: Kind
    @Argument(help: "The file, program or URL.", completion: .file())
    var target: String
    @Option(help: ArgumentHelp("Of a witness: its verifier key.", valueName: "vkey"))
    var key: String?
    @Option(
        help: ArgumentHelp(
            "Of a witness: a file that gets the newest checkpoint with its cosignature.", valueName: "file"),
        completion: .file())
    var keep: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard kind == .witness || (key == nil && keep == nil) else {
            throw ValidationError("--key and --keep are for witnesses.")
        }
        guard kind != .witness || key != nil else {
            throw ValidationError("Give the verifier key of the witness: --key VKEY.")
        }
    }

    func run() async throws {
        let (anchor, isBeside) = try await location.withVault { vault in
            let anchor =
                switch kind {
                case .file: try await vault.anchors.add(.file, target: absolute(target))
                case .exec: try await vault.anchors.add(.exec, target: absolute(target))
                case .witness:
                    try await vault.anchors.addWitness(
                        at: target, key: key ?? "", keptAt: keep.map { absolute($0) })
                }
            return (anchor, vault.anchors.isOnSameFileSystem(anchor))
        }
        try output.show(Shown(anchor))
        if isBeside {
            output.note(
                "The anchor is on the vault's own file system: a restore of that file system sets both back.")
        }
        if let trouble = anchor.trouble {
            output.note("It was added, but the checkpoint could not be published: \(trouble).")
            output.note(anchor.advice)
        }
    }

    private func absolute(_ path: String) -> String {
        path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
    }
}

struct AuditAnchorListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List anchors, and how far each is.",
        discussion: "Example:\n  tokenvault audit anchor list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let anchors = try await location.withVault { try await $0.anchors.list() }
        try output.show(anchors.map { Shown($0) }, under: Shown.anchorHeader)
    }
}

struct AuditAnchorCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Compare the log with every file and witness, and publish to every anchor now.",
        discussion: """
            Exit code 9 if publishing to one failed. TROUBLE has the reason, and standard error says what to do.

            Example:
              tokenvault audit anchor check
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let anchors = try await location.withVault { vault in
            try await vault.anchors.publishCheckpoint(isForced: true)
            return try await vault.anchors.list()
        }
        try output.show(anchors.map { Shown($0) }, under: Shown.anchorHeader)
        for anchor in anchors where anchor.trouble != nil { output.note(anchor.advice) }
        guard anchors.allSatisfy({ $0.trouble == nil }) else { throw ExitStatus.unavailable }
    }
}

struct AuditAnchorRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an anchor. Its file stays.",
        discussion: "Example:\n  tokenvault audit anchor remove 8")

    @Argument(help: "Its number, as 'audit anchor list' shows it.")
    var id: Int64
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withVault { try await $0.anchors.remove(id) }
        try output.show(Shown(removed: "\(id)"))
    }
}

extension Shown {
    fileprivate static let anchorHeader = ["ID", "KIND", "TARGET", "ENTRIES", "BEHIND", "TROUBLE"]

    /// An anchor: `size` is of the newest checkpoint it took, `lag` how many entries came since.
    fileprivate init(_ anchor: Anchor) {
        self.init(
            [
                .json("id", anchor.id), .text("anchor", "\(anchor.id)"), .both("kind", anchor.kind.rawValue),
                .both("target", anchor.target), .text("entries", "\(anchor.size)"),
                .both("trouble", anchor.trouble, missing: "-"), .json("key", anchor.witnessKey),
                .json("keep", anchor.keptAt), .json("size", anchor.size), .json("lag", anchor.lag),
                .json("created_at", anchor.createdAt), .json("anchored_at", anchor.anchoredAt),
                .json("failures", anchor.failures),
            ],
            cells: [
                "\(anchor.id)", anchor.kind.rawValue, anchor.target, "\(anchor.size)", "\(anchor.lag)",
                anchor.trouble ?? "-",
            ])
    }
}

extension Anchor {
    /// What to do about its trouble, in a sentence.
    var advice: String {
        let advice =
            switch trouble {
            case "unreachable"?: "No connection. Check that it is running, and that the target is right."
            case "denied"?: "It may not be written, or run."
            case "full"?: "Its disk is full."
            case "hung"?: "It did not answer within 5 seconds."
            case "refused"?: "It did not take the checkpoint."
            case "damaged"?: "What lies there is no signed checkpoint: move it away."
            case "behind"?:
                "It knows a newer log: an older copy of the vault is in place of the newest. Put the newest back."
            case "differs"?: "It knows another history of this log. Run 'tokenvault audit verify'."
            case "foreign"?: "What lies there is of another log: were files exchanged?"
            case "moved"?:
                "The vault was moved since the anchor was added: remove the anchor, and add it again."
            case "busy"?: "Another process is telling it: try again."
            case "unknown"?:
                "It does not know this log, or the URL is wrong. Give who runs it the verifier key of 'audit checkpoint --json'."
            case "untrusted"?:
                "It knows this log by another key. Give who runs it the verifier key of 'audit checkpoint --json'."
            case "unsigned"?: "Its answer is not signed by its key: is that key right?"
            case "garbled"?: "Its answer is not that of a witness: is the URL right?"
            case "tls"?: "Its certificate is not valid for this host."
            case "unavailable"?: "It is overloaded or broken: try again."
            case "pruned"?:
                "The log was pruned beyond the witness's checkpoint: register the log with the witness again."
            default: "It was not told."
            }
        return "Anchor \(id): \(advice)"
    }
}
