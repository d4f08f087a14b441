import ArgumentParser
import VaultCustody

/// Makes a vault from a backup.
struct RestoreCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "restore", abstract: "Make a vault from a backup, without reviving what ended since.",
        discussion: """
            --plan shows what changed since the backup and changes nothing; --apply restores to a free path. \
            --log is the newest log: the damaged vault itself, an export of its log, or an anchored checkpoint. \
            Rows that it names are not revived: grants and secrets end, connections are quarantined, users and \
            clients are disabled. Without a log every grant is revoked.

            Stop the service first. The log continues under a new name: publish the new log_verifier_key.

            Examples:
              tokenvault restore --plan --from vault.backup --keys vault.keys --log lost
              tokenvault restore --apply --from vault.backup --keys vault.keys --log lost
            """)

    @Flag(
        name: [.customLong("plan"), .customLong("dry-run")],
        help: "Show what would be done, and change nothing.")
    var plans = false
    @Flag(name: .customLong("apply"), help: "Restore.")
    var applies = false
    @Option(help: ArgumentHelp("The data of a backup.", valueName: "file"), completion: .file())
    var from: String
    @Option(help: ArgumentHelp("The keys of the backup.", valueName: "file"), completion: .file())
    var keys: String
    @Option(
        help: ArgumentHelp(
            "The newest log: a vault file, exported tiles or entries, or a checkpoint.", valueName: "path"),
        completion: .file())
    var log: String?
    @Option(
        help: ArgumentHelp("A signed checkpoint that the newest log must contain.", valueName: "file"),
        completion: .file())
    var checkpoint: String?
    @Option(
        help: ArgumentHelp(
            "The log's vkey as it was kept outside the vault: it must have signed the backup's log or the newest.",
            valueName: "vkey"))
    var logVerifierKey: String?
    @Flag(help: "Without a log, keep the grants instead of revoking all of them.")
    var keepGrants = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard plans != applies else { throw ValidationError("Give --plan or --apply.") }
        guard checkpoint == nil || log != nil else {
            throw ValidationError("Give the log that must go through the checkpoint with --log.")
        }
    }

    func run() async throws {
        var restore = VaultRestore(
            backup: from, keys: keys, unlockedBy: try location.key.source(),
            to: try location.path(
                instead: "Restore to a file, then run 'tokenvault move --vault FILE --to postgres:SERVICE'."),
            configuration: .command)
        restore.newest = try log.map { try .found(at: $0, checkpoint: checkpoint) }
        restore.checkpoint = checkpoint
        restore.logVerifierKey = logVerifierKey
        restore.keepsGrants = keepGrants
        let progress = ShareProgress("restore", isJSON: output.isJSON)
        defer { progress.end() }
        let shown: Shown
        if applies {
            let outcome = try await restore.apply { progress.report($0) }
            shown = Shown(outcome.plan, outcome)
        } else {
            shown = Shown(try await restore.plan { progress.report($0) })
        }
        progress.end()
        try output.show(shown)
    }
}
