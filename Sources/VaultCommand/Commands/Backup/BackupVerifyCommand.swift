import ArgumentParser
import TokenVault
import VaultCore

/// Opens a backup and checks everything in it.
struct BackupVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Open a backup in a temporary directory and check it whole.",
        discussion: """
            Every part is opened, and log and database are checked as by 'audit verify'. Exit code 7 means that \
            something is not what was written, 5 that the keys do not open it. Nothing is left behind.

            Examples:
              tokenvault backup verify vault.backup --keys vault.keys --key-file vault.key
              tokenvault backup verify vault.backup --keys vault.keys --passphrase-file passphrase --json
            """)

    @Argument(help: ArgumentHelp("The data of a backup.", valueName: "file"), completion: .file())
    var file: String

    @Option(help: ArgumentHelp("The keys of the backup.", valueName: "file"), completion: .file())
    var keys: String

    @Option(
        help: ArgumentHelp(
            "Where it is opened; the system's temporary directory by default.", valueName: "directory"),
        completion: .directory)
    var scratch: String?

    @OptionGroup(title: "Key (without any, you are asked for a passphrase)")
    var key: KeyArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let progress = ShareProgress("verification", isJSON: output.isJSON)
        defer { progress.end() }
        let verification = try await Backup.verify(
            file, keys: keys, unlockedBy: key.source(), scratch: scratch
        ) { progress.report($0) }
        progress.end()
        try output.show(VerificationRecord(verification))
        guard verification.isIntact else { throw ExitStatus.integrity }
    }
}
