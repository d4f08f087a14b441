import ArgumentParser
import TokenVault
import VaultCore

/// Makes, reads and checks backups.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup", abstract: "Make, read and check sealed backups.",
        discussion: """
            A backup is two files: the data, sealed, and the keys, which are the keyslots that open it. Keep them apart: \
            the data alone opens with no key file and no passphrase. 'tokenvault restore' makes a vault of them.
            """,
        subcommands: [BackupCreateCommand.self, BackupInspectCommand.self, BackupVerifyCommand.self])
}

/// Makes a backup of a vault that may be in use.
struct BackupCreateCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "create", abstract: "Write a sealed, consistent copy of the vault while it is in use.",
        discussion: """
            Nothing is overwritten, except with --force an older backup. The log says that the backup was made; with \
            --keep-until it also knows until when the backup could open what is erased later.

            The keys change only with the keyslots and the root key: --without-keys is for backups after the first.

            Examples:
              tokenvault backup create --out vault.backup --keys-out /mnt/safe/vault.keys
              tokenvault backup create --out nightly.backup --without-keys --keep-until 90d
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
            return try await vault.backUp(request) { progress.report($0) }
        }
        try output.show(Shown(receipt))
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
        try output.show(Shown(inspection, keys: try keys.map { try Backup.inspectKeys($0) }))
        guard inspection.isWhole else { throw ExitStatus.integrity }
    }
}

/// Opens a backup and checks everything in it.
struct BackupVerifyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "verify", abstract: "Open a backup in a temporary directory and check it whole.",
        discussion: """
            Every part is opened, and log and database are checked as by 'audit verify'. Exit code 7 means that \
            something is not what was written, 5 that the keys do not open it. Nothing is left behind.

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
        try output.show(Shown(verification))
        guard verification.isIntact else { throw ExitStatus.integrity }
    }
}
