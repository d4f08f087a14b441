import ArgumentParser
import TokenVault
import VaultCore

struct UserEraseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "erase",
        abstract: "Destroy a user's key and everything sealed under it. Cannot be undone.",
        discussion: """
            Name, grants, connections and the personal data of the log become unreadable, in the database and its WAL. \
            The log keeps its entries under a pseudonym that nothing leads back from, and every proof stays valid. \
            Backups that were made before can still open the data while they and their keys exist: until when is shown.

            Tokens of the user's connections stay valid at the providers: run 'connection revoke' first.

            Examples:
              tokenvault user erase alice --confirm alice
              printf alice | tokenvault user erase - --confirm - --json
            """)

    @OptionGroup var user: UserArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(user.name, consequence: "Erasing a user destroys the user's key")
        let name = try user.read()
        let erasure = try await location.withVault { try await $0.eraseUser(name) }
        try output.show(ErasureRecord(erasure, of: name))
    }
}

/// An erasure as printed: `{"backups":2,"backups_kept_until":"…","connections":0,"erased":"alice","grants":1}`.
private struct ErasureRecord: Record {
    let erased: String
    let grants: Int64
    let connections: Int64
    let backups: Int
    let backupsKeptUntil: Timestamp?

    init(_ erasure: Erasure, of name: String) {
        erased = name
        grants = erasure.grants
        connections = erasure.connections
        backups = erasure.backups
        backupsKeptUntil = erasure.backupsKeptUntil.map(Timestamp.init)
    }

    var lines: [String] {
        var older = "none known"
        if backups > 0 {
            older = "\(backups), which with their keys can open the data "
            older += backupsKeptUntil.map { "until \($0)" } ?? "for as long as they are kept"
        }
        return Table.pairs([
            ("erased", erased), ("grants_ended", "\(grants)"), ("connections_deleted", "\(connections)"),
            ("older_backups", older),
        ])
    }
}
