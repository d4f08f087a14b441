import ArgumentParser
import TokenVault
import VaultCore

/// Writes a page for an auditor.
struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Write one self-contained page for an auditor.",
        discussion: """
            Verifies the log and the database, and writes what they say of a period: exchanges by outcome over time, alarms, \
            events of keys, the signed checkpoint with its verifier key, facts of the vault and its clients. The page fetches \
            nothing and runs nothing; it contains no token, no secret and no user name. Ends with 7 where something is \
            not as it was written: the page is there and says what.

            Examples:
              tokenvault report --html report.html
              tokenvault report --html november.html --from 2026-11-01 --to 2026-12-01
              tokenvault report --html report.html --force --json
            """)

    @Option(
        help: ArgumentHelp("The file to write.", valueName: "file"), completion: .file(extensions: ["html"]))
    var html: String
    @Option(
        help: ArgumentHelp(
            "The first day or moment, UTC: 2026-11-01 or 2026-11-01T06:00:00Z.", valueName: "time"))
    var from: MomentArgument?
    @Option(help: ArgumentHelp("The first day or moment that counts no more.", valueName: "time"))
    var to: MomentArgument?
    @Flag(help: "Replace the file if there is one.")
    var force = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        if let from, let to, from.instant >= to.instant {
            throw ValidationError("--from is before --to.")
        }
    }

    func run() async throws {
        let path = try location.path()
        let file = ReportFile(path: html, replaces: force)
        // Before minutes of work, not after.
        try file.check()
        let facts = try await location.withVault { vault in
            try await ReportFacts(vault, path: path, from: from?.instant, to: to?.instant) {
                Console.progress("reading and verifying: \(Int($0 * 100)) %")
            }
        }
        Console.progress("")
        try file.write(ReportPage(facts: facts).source)
        try output.show(ReportRecord(file: html, facts))
        guard facts.verdict.isIntact else { throw ExitStatus.integrity }
    }
}

/// What was written: `{"alarms":0,"entries":12,"file":"report.html","ok":true}`.
private struct ReportRecord: Record {
    let file: String
    let ok: Bool
    let entries: Int64
    let alarms: Int

    init(file: String, _ facts: ReportFacts) {
        self.file = file
        ok = facts.verdict.isIntact
        entries = facts.digest.entries
        alarms = facts.digest.alarms.entries.count + facts.digest.alarms.earlier
    }

    var lines: [String] {
        Table.pairs([
            ("file", file), ("log", ok ? "intact" : "NOT what was written: see the page"),
            ("entries", "\(entries)"),
            ("alarms", "\(alarms)"),
        ])
    }
}
