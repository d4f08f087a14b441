import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore

/// The grants that providers gave us, and their tokens.
struct ConnectionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connection",
        abstract: "Connect users to providers; show, refresh, use and end their connections.",
        discussion: """
            A connection is what one user allowed us at one provider: its tokens are kept fresh by 'tokenvault \
            refresh run', and handed out as they are needed. A command that finds no token ends with 4 when the user \
            has to consent again, and with 9 when there is none just now.
            """,
        subcommands: [
            ConnectionConnectCommand.self, ConnectionImportCommand.self, ConnectionListCommand.self,
            ConnectionShowCommand.self, ConnectionExecCommand.self, ConnectionProbeCommand.self,
            ConnectionRefreshCommand.self, ConnectionReplayReplyCommand.self, ConnectionRevealCommand.self,
            ConnectionRevokeCommand.self, ConnectionRemoveCommand.self,
        ])
}

struct ConnectionListCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List connections, in the order they were made.",
        discussion: """
            Examples:
              tokenvault connection list --user alice
              tokenvault connection list --failing
              tokenvault connection list --provider quantimodo --state needs-consent --json
            """)

    @Option(help: "Only those at this provider.")
    var provider: String?
    @Option(help: "Only those of this user, or - to read the name from standard input.")
    var user: String?
    @Option(help: "Only those that are live, failing, needs-consent, revoking or revoked.")
    var state: ConnectionState?
    @Flag(help: "Only those that the provider has refused to refresh for hours; short for --state failing.")
    var failing = false
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard !failing || state == nil else {
            throw ValidationError("--failing and --state exclude each other.")
        }
    }

    func run() async throws {
        let userName = try user.map(StandardInput.name)
        try await location.withVault { vault in
            var filter = ConnectionFilter()
            filter.provider = try provider.map { try vault.provider(named: $0).id }
            filter.owner = try userName.map { try vault.user(named: $0).id }
            filter.state = failing ? .failing : state
            var names = try ConnectionNames(vault)
            var records: [ConnectionRecord] = []
            while true {
                let page = try vault.connections(filter)
                records += try page.map { try names.record($0) }
                guard let last = page.last, page.count == filter.limit else { break }
                filter.after = last.id
                if output.isJSON {
                    try output.showNext(records)
                    records = []
                }
            }
            try output.show(records)
        }
    }
}

struct ConnectionShowCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one connection. There is no token in it.",
        discussion: """
            Examples:
              tokenvault connection show 17
              tokenvault connection show quantimodo/alice --json
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withKeeper { keeper in
            let found = try connection.find(keeper)
            try output.show(ConnectionRecord(found, in: keeper.vault))
            if found.state == .needsConsent {
                output.note("Its user has to consent again: 'tokenvault connection connect'.")
            }
            if found.state == .failing {
                output.note(
                    "It is tried once a day. Correct the provider's entry, or ask its user: 'tokenvault connection connect'."
                )
            }
        }
    }
}

struct ConnectionRevealCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reveal",
        abstract: "Show a connection's tokens. The log says so, and why, before they are.",
        discussion: """
            Examples:
              tokenvault connection reveal 17 --reason "support case 4711"
              tokenvault connection reveal quantimodo/alice --reason "moving to another host" --json
            """)

    @OptionGroup var connection: ConnectionArgument
    @Option(help: "Why; it is kept with the log, sealed.")
    var reason: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        let held = try await location.withKeeper { keeper in
            try await keeper.vault.revealConnection(connection.find(keeper).id, reason: reason)
        }
        guard let pair = held.pair else {
            throw VaultError(
                .notFound, "This connection has no tokens.",
                remedy: held.reply == nil
                    ? "See 'tokenvault connection show'."
                    : "A reply is kept: run 'tokenvault connection replay-reply'.")
        }
        try output.show(
            RevealedRecord(
                connection: held.id.rawValue, accessToken: pair.accessToken.shown,
                refreshToken: pair.refreshToken?.shown,
                accessExpiresAt: held.connection.accessExpiresAt.map(Timestamp.init)))
    }
}

/// Tokens as printed, to the one who asked for them.
private struct RevealedRecord: Record {
    let connection: Int64
    let accessToken: String
    let refreshToken: String?
    let accessExpiresAt: Timestamp?

    var lines: [String] {
        Table.pairs([
            ("connection", "\(connection)"), ("access_token", accessToken.isEmpty ? "-" : accessToken),
            ("access_expires_at", accessExpiresAt?.description ?? "-"),
            ("refresh_token", refreshToken ?? "-"),
        ])
    }
}

struct ConnectionRemoveCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a connection and destroy its tokens. Cannot be undone.",
        discussion: """
            At the provider they live on: run 'tokenvault connection revoke' first where that matters.

            Example:
              tokenvault connection remove 17 --confirm 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(connection.name, consequence: "Removing a connection destroys its tokens here")
        try await location.withKeeper { try await $0.remove(connection.find($0).id) }
        try output.show(RemovedRecord(removed: connection.name))
    }
}
