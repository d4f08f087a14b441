import ArgumentParser

/// Makes, reads and checks backups.
struct BackupCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "backup",
        abstract: "Make, read and check sealed backups.",
        discussion: """
            A backup is two files: the data, sealed, and the keys, which are the keyslots that open it. Keep them apart: \
            the data alone opens with no key file and no passphrase. 'tokenvault restore' makes a vault of them.
            """,
        subcommands: [BackupCreateCommand.self, BackupInspectCommand.self, BackupVerifyCommand.self])
}
