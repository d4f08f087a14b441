import ArgumentParser
import VaultCore
import VaultCustody

struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Create, inspect and verify sealed backups.",
        discussion: """
            A backup is two files: the sealed data, and the keys, which are the keyslots that open it. Keep them \
            apart: no key file and no passphrase opens the data alone. 'tokenvault restore' makes a vault from \
            both.
            """,
        subcommands: [BackupCreateCommand.self, BackupInspectCommand.self, BackupVerifyCommand.self])
}

/// Makes a backup of a vault that may be in use.
struct BackupCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Write a sealed, consistent copy of the vault while it is in use.",
        discussion: """
            No file is overwritten, except an older backup with --force. The log records the backup, and with \
            --keep-until how long it could open data that is erased later.

            The keys change only with the keyslots and the root key: use --without-keys for later backups.

            Examples:
              tokenvault backup create --out vault.backup --keys-out /mnt/safe/vault.keys
              tokenvault backup create --out nightly.backup --without-keys --keep-until 90d
            """)

    @Option(help: ArgumentHelp("The file for the sealed data.", valueName: "file"), completion: .file())
    var out: String
    @Option(
        help: ArgumentHelp("The file for the keys; keep it apart from the data.", valueName: "file"),
        completion: .file())
    var keysOut: String?
    @Flag(help: "Write no keys: you have those of the current slots and root key.")
    var withoutKeys = false
    @Option(
        help: ArgumentHelp(
            "When this backup will be destroyed: 90d, 2027-01-31, or a time of RFC 3339.", valueName: "when"))
    var keepUntil: DeadlineArgument?
    @Flag(help: "Overwrite an older backup or older keys.")
    var force = false
    @Option(
        help: ArgumentHelp(
            "Directory for a temporary copy of the database (default: beside the vault).",
            valueName: "directory"), completion: .directory)
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
        let receipt = try await location.withVault { [request] vault in
            defer { progress.end() }
            return try await vault.backups.make(request) { progress.report($0) }
        }
        try output.show(Shown(receipt))
        if keysOut != nil {
            output.note("Keep the keys apart from the data: with both, one key file opens everything.")
        }
        if keepUntil == nil {
            output.note(
                "Without --keep-until, an erasure cannot tell how long this backup could open erased data."
            )
        }
    }
}

/// Says what a backup is, and what would open it.
struct BackupInspectCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show a backup and the keys it needs, without a key.",
        discussion: """
            Reads the whole file: exit code 7 means that it differs from the one that was written. Only 'backup \
            verify' shows that it was not forged.

            Examples:
              tokenvault backup inspect vault.backup
              tokenvault backup inspect vault.backup --keys vault.keys --json
            """)

    @Argument(help: ArgumentHelp("The data of a backup.", valueName: "file"), completion: .file())
    var file: String
    @Option(
        help: ArgumentHelp("Also show the keyslots in this file of keys.", valueName: "file"),
        completion: .file())
    var keys: String?
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let progress = ShareProgress("inspection", isJSON: output.isJSON)
        defer { progress.end() }
        let inspection = try await Backup.inspect(file) { progress.report($0) }
        progress.end()
        try output.show(Shown(inspection, keys: try keys.map { try Backup.inspectKeys($0) }))
        guard inspection.isWhole else { throw ExitStatus.integrity }
    }
}

/// Opens a backup and checks everything in it.
struct BackupVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Open a backup in a temporary directory and check all of it.",
        discussion: """
            Opens every part, and checks log and database as 'audit verify' does. Exit code 7 means that \
            something differs from what was written, 5 that the keys do not open it. The temporary vault is \
            removed.

            Examples:
              tokenvault backup verify vault.backup --keys vault.keys --key-file vault.key
              tokenvault backup verify vault.backup --keys vault.keys --passphrase-prompt
            """)

    @Argument(help: ArgumentHelp("The data of a backup.", valueName: "file"), completion: .file())
    var file: String
    @Option(help: ArgumentHelp("The keys of the backup.", valueName: "file"), completion: .file())
    var keys: String
    @Option(
        help: ArgumentHelp(
            "Directory for the temporary vault (default: the system's).", valueName: "directory"),
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
        try output.show(Shown(verification))
        guard verification.isIntact else { throw ExitStatus.integrity }
    }
}
