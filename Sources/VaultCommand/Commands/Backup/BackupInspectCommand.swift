import ArgumentParser
import TokenVault
import VaultCore

/// Says what a backup is, and what would open it.
struct BackupInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show what a backup is and what opens it; needs no key.",
        discussion: """
            Also reads the file to its end: exit code 7 means that it is not, byte for byte, the one that was written. \
            That nobody forged it is for 'backup verify' to say.

            Examples:
              tokenvault backup inspect vault.backup
              tokenvault backup inspect vault.backup --keys vault.keys --json
            """)

    @Argument(help: ArgumentHelp("The data of a backup.", valueName: "file"), completion: .file())
    var file: String

    @Option(
        help: ArgumentHelp("The keys too: which keyslots they hold.", valueName: "file"), completion: .file())
    var keys: String?

    @OptionGroup var output: OutputArguments

    func run() async throws {
        let progress = ShareProgress("inspection", isJSON: output.isJSON)
        defer { progress.end() }
        let inspection = try await Backup.inspect(file) { progress.report($0) }
        progress.end()
        let record = InspectionRecord(inspection, keys: try keys.map { try Backup.inspectKeys($0) })
        try output.show(record)
        guard inspection.isWhole else { throw ExitStatus.integrity }
    }
}
