import ArgumentParser
import SQLiteStore
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

/// Writes a page for an auditor.
struct ReportCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report", abstract: "Write one self-contained page for an auditor.",
        discussion: """
            Verifies log and database, and reports a period: exchanges by outcome over time, alarms, events of \
            keys, the signed checkpoint with its verifier key, the vault and its clients. The page loads and \
            runs nothing; it has no token, secret or user name. Ends with 7 if something differs from what was \
            written; the page says what.

            Examples:
              tokenvault report --html report.html
              tokenvault report --html november.html --from 2026-11-01 --to 2026-12-01
              tokenvault report --html report.html --force --json
            """)

    @Option(
        help: ArgumentHelp("The file to write.", valueName: "file"), completion: .file(extensions: ["html"]))
    var html: String
    @Option(
        help: ArgumentHelp("Start of the period, UTC: 2026-11-01 or 2026-11-01T06:00:00Z.", valueName: "time")
    )
    var from: InstantArgument?
    @Option(help: ArgumentHelp("End of the period, not included.", valueName: "time"))
    var to: InstantArgument?
    @Flag(help: "Replace the file if there is one.")
    var force = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !html.isEmpty else { throw ValidationError("--html is empty: name a file.") }
        if let from, let to, from.instant >= to.instant {
            throw ValidationError("--from is before --to.")
        }
    }

    func run() async throws {
        let path = try location.place().description
        // Before minutes of work, not after.
        let file = try claim()
        let page = try await location.withVault { vault in
            let digest = try await vault.log.digest(from: from?.instant, to: to?.instant) {
                Console.progress("reading: \(Int($0 * 100)) %")
            }
            let verdict = try await vault.log.verify { Console.progress("verifying: \(Int($0 * 100)) %") }
            return ReportPage(
                madeAt: SystemClock().now(), path: path, status: try await vault.status(), digest: digest,
                verdict: verdict, verifierKey: vault.log.verifierKey,
                registered: try await vault.clients.list())
        }
        Console.progress("")
        try file.write(Array(page.source.utf8))
        try file.publish(replacing: force)
        let (isIntact, alarms) = (page.verdict.isIntact, page.digest.alarms)
        try output.show(
            Shown([
                .both("file", html), .json("ok", isIntact),
                .text("log", isIntact ? "intact" : "NOT what was written: see the page"),
                .both("entries", page.digest.entries),
                .both("alarms", alarms.entries.count + alarms.earlier),
            ]))
        guard isIntact else { throw ExitStatus.integrity }
    }

    /// Takes the file's name, so that its owner alone may read the page, and others meet it whole or not at all.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (the directory),
    ///   ``VaultError/Code/permissionDenied``, ``VaultError/Code/invalidInput``.
    private func claim() throws -> DraftFile {
        if let facts = FileFacts(at: html) {
            guard force else {
                throw VaultError(
                    .alreadyExists, "There is already a file at \(html).",
                    remedy: "Give --force to replace it, or choose another name.")
            }
            // A device or a link would be replaced, too, which nobody wants.
            guard facts.isRegular else {
                throw VaultError(
                    .invalidInput, "\(html) is not a regular file.", remedy: "Choose another name.")
            }
        }
        return try DraftFile(of: html)
    }
}
