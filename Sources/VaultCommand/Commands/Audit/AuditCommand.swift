import ArgumentParser
import TokenVault
import VaultAudit

struct AuditCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "audit", abstract: "Read, verify, export and prune the audit log.",
        discussion: "Opening the vault adds an entry, so every command except check-proof adds at least one.",
        subcommands: [
            AuditListCommand.self, AuditShowCommand.self, AuditTailCommand.self, AuditSearchCommand.self,
            AuditFollowCommand.self, AuditVerifyCommand.self, AuditCheckpointCommand.self,
            AuditProveCommand.self, AuditConsistencyCommand.self, AuditCheckProofCommand.self,
            AuditExportCommand.self, AuditPruneCommand.self, AuditSetTimeCommand.self,
            AuditAnchorCommand.self,
        ])
}

struct AuditListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List entries, oldest first.",
        discussion: """
            Examples:
              tokenvault audit list --from 100 --limit 50
              tokenvault audit list --grant 17 --json
            """)

    @Option(help: "The first entry to list.")
    var from: Int64 = 0
    @Option(help: "Maximum number of entries to print (default: all).")
    var limit: Int?
    @Option(help: "Only entries about this grant.")
    var grant: Int64?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard limit ?? 1 > 0, from >= 0 else {
            throw ValidationError("--limit is at least 1 and --from not negative.")
        }
    }

    func run() async throws {
        try await location.withVault { vault in
            let end = try await vault.auditSize()
            var filter: AuditFilter?
            if let grant { filter = try await vault.log.filter(grant: grant) }
            try await output.show(
                pages: { last in
                    try await vault.log.entries(from: last.map { $0.index + 1 } ?? from, limit: 1000)
                        .filter { $0.index < end }
                }, under: Shown.auditHeader, limit: limit,
                where: { filter?.names($0) ?? true }
            ) { Shown($0) }
        }
    }
}

struct AuditShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one entry: its exact bytes and its personal data.",
        discussion: "Example:\n  tokenvault audit show 17")

    @Argument(help: "The number of the entry.")
    var entry: Int64
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let detail = try await location.withVault { try await $0.log.entry(entry) }
        try output.show(
            Shown([
                .json("index", entry), .text("entry", "\(entry)"),
                .both("leaf", String(decoding: detail.leaf, as: UTF8.self)),
                .both("personal_data", detail.personalData, missing: "-"),
                .json("actor_details", detail.entry.actorDetails),
                .text("actor", detail.entry.actorDetails.map { "\($0)" }),
            ]))
    }
}

struct AuditTailCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "tail", abstract: "List the newest entries; --follow waits for more.",
        discussion: """
            Examples:
              tokenvault audit tail
              tokenvault audit tail --lines 3 --follow --json
            """)

    @Option(name: [.customShort("n"), .customLong("lines")], help: "Number of entries.")
    var lines: Int = 10
    @Flag(name: [.short, .long], help: "Wait for further entries until interrupted.")
    var follow = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (0...1_000_000).contains(lines) else { throw ValidationError("--lines is 0 to 1000000.") }
    }

    func run() async throws {
        try await location.withVault { vault in
            let size = try await vault.auditSize()
            var next = max(0, size - Int64(lines))
            var page = try await vault.log.entries(from: next, limit: Int(size - next))
            try output.show(page.map { Shown($0) }, under: Shown.auditHeader)
            next = size
            while follow {
                try await Task.sleep(for: .milliseconds(500))
                page = try await vault.log.entries(from: next, limit: 1000)
                for entry in page.map({ Shown($0) }) {
                    try Console.print(
                        output.isJSON
                            ? JSONText.encode(entry) : Console.harmless(entry.cells.joined(separator: "  ")))
                }
                next = page.last.map { $0.index + 1 } ?? next
            }
        }
    }
}

extension Shown {
    static let auditHeader = ["ENTRY", "TIME", "OPERATION", "OUTCOME", "GRANT", "GENERATION", "REASON"]

    /// An entry of the log. Its exact bytes are shown by `audit show`.
    init(_ entry: AuditEntry) {
        self.init(
            [
                .json("index", entry.index), .json("time", entry.wall),
                .json("log_time", entry.time == entry.wall ? nil : entry.time),
                .json("operation", entry.operation),
                .json("outcome", entry.outcome), .json("reason", entry.reason), .json("actor", entry.actor),
                .json("actor_details", entry.actorDetails),
                .json("channel", entry.channel), .json("subject", entry.subject), .json("grant", entry.grant),
                .json("generation", entry.generation), .json("fingerprint", entry.fingerprint),
                .json("request_id", entry.requestID), .json("count", entry.count),
                .json("grants", entry.grants.isEmpty ? nil : entry.grants),
            ],
            cells: [
                "\(entry.index)", "\(Timestamp(entry.wall))", entry.operation, entry.outcome,
                entry.grant.map(String.init) ?? "-", entry.generation.map(String.init) ?? "-",
                entry.reason ?? "",
            ])
    }
}
