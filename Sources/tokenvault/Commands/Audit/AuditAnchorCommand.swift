import ArgumentParser
import Foundation
import TokenVault
import VaultCore

/// Places outside the vault's file that are told of new checkpoints.
struct AuditAnchorCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "anchor",
        abstract: "Tell places outside the vault of new checkpoints: a cut or older file is found by them.",
        discussion: """
            A serving process tells every anchor once a second when something changed; any other command tells the \
            files when it ends. A vault that lies behind or beside what a file was told of does not open: exit code 7.
            """,
        subcommands: [
            AuditAnchorAddCommand.self, AuditAnchorListCommand.self, AuditAnchorCheckCommand.self,
            AuditAnchorRemoveCommand.self,
        ])
}

struct AuditAnchorAddCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "add", abstract: "Add an anchor, and tell it the newest checkpoint.",
        discussion: """
            file PATH      holds the newest signed checkpoint; best on another file system
            exec PROGRAM   reads the signed checkpoint from its standard input, within 5 seconds, and ends with 0
            syslog         one line: checkpoint ORIGIN SIZE ROOT SIGNATURE

            Examples:
              tokenvault audit anchor add file /mnt/other-disk/vault.checkpoint
              tokenvault audit anchor add exec /usr/local/libexec/publish-checkpoint
              tokenvault audit anchor add syslog
            """)

    enum Kind: String, ExpressibleByArgument, CaseIterable { case file, exec, syslog }

    @Argument(help: "file, exec or syslog.")
    var kind: Kind
    @Argument(help: "The file or the program; for syslog another socket than /dev/log.", completion: .file())
    var target: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard kind == .syslog || target != nil else { throw ValidationError("Name the \(kind.rawValue).") }
    }

    func run() async throws {
        let kind: AnchorKind =
            switch kind {
            case .file: .file
            case .exec: .exec
            case .syslog: .syslog
            }
        let target = target ?? "/dev/log"
        let place =
            target.hasPrefix("/") ? target : FileManager.default.currentDirectoryPath + "/" + target
        let (anchor, isBeside) = try await location.withVault { vault in
            let anchor = try await vault.addAnchor(kind, target: place)
            return (anchor, vault.isOnSameFileSystem(anchor))
        }
        try output.show(AnchorRecord(anchor))
        if isBeside {
            output.note("It is on the vault's own file system: whoever sets that back sets both back.")
        }
        if let trouble = anchor.trouble { output.note("It was added, but could not be told: \(trouble).") }
    }
}

struct AuditAnchorListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List anchors, and how far each was told.",
        discussion: "Example:\n  tokenvault audit anchor list --json")

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try output.show(try await location.withVault { try $0.anchors().map { AnchorRecord($0) } })
    }
}

struct AuditAnchorCheckCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check", abstract: "Compare the log with every file anchor, and tell every anchor now.",
        discussion: """
            Exit code 9 when one could not be told, with the reason under TROUBLE.

            Example:
              tokenvault audit anchor check
            """)

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let anchors = try await location.withVault { vault in
            try await vault.anchorNewCheckpoints(isForced: true)
            return try vault.anchors()
        }
        try output.show(anchors.map { AnchorRecord($0) })
        guard anchors.allSatisfy({ $0.trouble == nil }) else { throw ExitStatus.unavailable }
    }
}

struct AuditAnchorRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove an anchor: it is told nothing more. Its file stays.",
        discussion: "Example:\n  tokenvault audit anchor remove 8")

    @Argument(help: "Its number, as 'audit anchor list' shows it.")
    var id: Int64
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withVault { try await $0.removeAnchor(id) }
        try output.show(RemovedRecord(removed: "\(id)"))
    }
}

/// An anchor as scripts see it.
struct AnchorRecord: Record, ListRecord {
    let id: Int64
    let kind, target: String
    /// Entries of the newest checkpoint it took, and how many came since.
    let size, lag: Int64
    let createdAt: Timestamp
    let anchoredAt: Timestamp?
    let failures: Int64
    let trouble: String?

    init(_ anchor: Anchor) {
        id = anchor.id
        kind = anchor.kind.rawValue
        target = anchor.target
        size = anchor.size
        lag = anchor.lag
        createdAt = Timestamp(anchor.createdAt)
        anchoredAt = anchor.anchoredAt.map { Timestamp($0) }
        failures = anchor.failures
        trouble = anchor.trouble
    }

    static let header = ["ID", "KIND", "TARGET", "ENTRIES", "BEHIND", "TROUBLE"]
    var cells: [String] { ["\(id)", kind, target, "\(size)", "\(lag)", trouble ?? "-"] }
    var lines: [String] {
        Table.pairs([
            ("anchor", "\(id)"), ("kind", kind), ("target", target), ("entries", "\(size)"),
            ("trouble", trouble ?? "-"),
        ])
    }
}
