import ArgumentParser
import TokenVault
import VaultCore

/// Checks the log, and the whole database against it.
struct AuditVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify",
        abstract: "Check that log and database are what was written.",
        discussion: """
            Recomputes the tree from its entries, checks the signature over its root, and compares every row with \
            the last entry that names it. Exit code 7 means that something was edited, removed, moved or restored; \
            what and where is listed, with the grants affected and what can still be trusted. With --since only what came             after that checkpoint is checked, and that the log begins with it.

            Examples:
              tokenvault audit verify
              tokenvault audit verify --since monday.checkpoint --json
            """)

    @Option(
        help: ArgumentHelp("An older signed checkpoint to go on from.", valueName: "file"),
        completion: .file())
    var since: String?
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let verdict: AuditVerdict
        let since = try since.map { String(decoding: try ProofFile.checkpoint($0), as: UTF8.self) }
        do {
            let report = try await location.withVault { vault in
                try await vault.verifyAudit(since: since) {
                    Console.progress("verifying: \(Int($0 * 100)) %")
                }
            }
            Console.progress("")
            verdict = AuditVerdict(report)
        } catch let error as VaultError where error.isDamage {
            // Damage that keeps the vault from opening is a finding as well.
            Console.progress("")
            verdict = AuditVerdict(unopened: error.message)
        }
        try output.show(verdict)
        guard verdict.ok else { throw ExitStatus.integrity }
    }
}

extension VaultError {
    /// Stored bytes are not what was written.
    fileprivate var isDamage: Bool { code == .integrity || code == .schemaChanged }
}
