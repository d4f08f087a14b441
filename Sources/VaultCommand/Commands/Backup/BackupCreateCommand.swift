import ArgumentParser
import TokenVault
import VaultCore

/// Makes a backup of a vault that may be in use.
struct BackupCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Write a sealed, consistent copy of the vault while it is in use.",
        discussion: """
            Nothing is overwritten, except with --force an older backup. The log says that the backup was made; with \
            --keep-until it also knows until when the backup could open what is erased later.

            The keys change only with the keyslots and the root key: --without-keys is for backups after the first.

            Examples:
              tokenvault backup create --out /mnt/backup/vault.backup --keys-out /mnt/safe/vault.keys --keep-until 90d
              tokenvault backup create --out nightly.backup --without-keys --keep-until 2027-01-31 --json
            """)

    @Option(help: ArgumentHelp("Where the sealed data goes.", valueName: "file"), completion: .file())
    var out: String

    @Option(help: ArgumentHelp("Where the keys go: another place.", valueName: "file"), completion: .file())
    var keysOut: String?

    @Flag(help: "Keys that were written since the root key last changed are kept elsewhere.")
    var withoutKeys = false

    @Option(
        help: ArgumentHelp(
            "When this backup will be destroyed: 90d, 2027-01-31, or a time of RFC 3339.", valueName: "when"))
    var keepUntil: DeadlineArgument?

    @Flag(help: "Replace an older backup, or older keys, of these names.")
    var force = false

    @Option(
        help: ArgumentHelp(
            "Where a copy of the database lies meanwhile, beside the vault by default.",
            valueName: "directory"),
        completion: .directory)
    var scratch: String?

    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard (keysOut != nil) != withoutKeys else {
            throw ValidationError("Give --keys-out FILE, or --without-keys where older keys still fit.")
        }
    }

    func run() async throws {
        var request = BackupRequest(path: out, keysPath: keysOut)
        request.keepUntil = keepUntil?.instant(from: SystemClock().now())
        request.replaces = force
        request.scratchDirectory = scratch
        let progress = ShareProgress("backup", isJSON: output.isJSON)
        let record = try await location.withVault { [request] vault in
            defer { progress.end() }
            return try await vault.backUp(request) { progress.report($0) }
        }
        try output.show(record)
        if keysOut != nil {
            output.note("Keep the keys apart from the data: who has both needs one key file only.")
        }
        if keepUntil == nil {
            output.note(
                "Nobody said until when this backup is kept: an erasure cannot tell when it ends (--keep-until)."
            )
        }
    }
}
