import ArgumentParser
import TokenKeeper
import TokenVault

/// The grants that providers gave us, and their tokens.
struct ConnectionCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "connection",
        abstract: "Connect users to providers; show, refresh, use and end their connections.",
        discussion: """
            A connection is what one user allowed us at one provider. 'tokenvault refresh run' keeps its tokens \
            fresh. A command that gets no token ends with 4 if the user must consent again, and with 9 if the \
            provider gives no token now.
            """,
        subcommands: [
            ConnectionConnectCommand.self, ConnectionImportCommand.self, ConnectionListCommand.self,
            ConnectionShowCommand.self, ConnectionExecCommand.self, ConnectionProbeCommand.self,
            ConnectionRefreshCommand.self, ConnectionReplayReplyCommand.self, ConnectionRevealCommand.self,
            ConnectionRevokeCommand.self, ConnectionRemoveCommand.self,
        ])
}

struct ConnectionListCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "list", abstract: "List connections, oldest first.",
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
    @Option(help: "Only connections in this state.")
    var state: ConnectionState?
    @Flag(help: "Only connections that were refused for hours; short for --state failing.")
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
            if let provider { filter.provider = try await vault.provider(named: provider).id }
            if let userName { filter.owner = try await vault.users.find(userName).id }
            filter.state = failing ? .failing : state
            var names = Names(vault)
            try await output.show(
                pages: { last in
                    filter.after = last?.id ?? ConnectionID(0)
                    return try await vault.connections(filter)
                },
                under: ["CONNECTION", "STATE", "PROVIDER", "USER", "LABEL", "GENERATION", "SCOPE"]
            ) { try await Shown($0, &names) }
        }
    }
}

struct ConnectionShowCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "show", abstract: "Show one connection, without its tokens.",
        discussion: """
            Examples:
              tokenvault connection show 17
              tokenvault connection show quantimodo/alice --json
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept { keeper in
            let found = try await connection.find(keeper)
            var shown = try await Shown(found, in: keeper.vault)
            if found.state == .needsConsent {
                shown.notes = ["Its user must consent again: run 'tokenvault connection connect'."]
            }
            if found.state == .failing {
                shown.notes = [
                    "It is tried once a day. Correct the provider's entry, or ask its user: 'tokenvault connection connect'."
                ]
            }
            return shown
        }
    }
}

struct ConnectionRevealCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "reveal",
        abstract: "Show a connection's tokens, after an entry in the log with the reason.",
        discussion: """
            Examples:
              tokenvault connection reveal 17 --reason "support case 4711"
              tokenvault connection reveal quantimodo/alice --reason "moving out" --json
            """)

    @OptionGroup var connection: ConnectionArgument
    @Option(help: "The reason; it is kept sealed with the log.")
    var reason: String
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept { keeper in
            let held = try await keeper.vault.revealConnection(connection.find(keeper).id, reason: reason)
            guard let pair = held.pair else {
                throw VaultError(
                    .notFound, "This connection has no tokens.",
                    remedy: held.reply == nil
                        ? "See 'tokenvault connection show'."
                        : "A reply is kept: run 'tokenvault connection replay-reply'.")
            }
            let access = pair.accessToken.text
            return Shown([
                .both("connection", held.id.rawValue),
                .both("access_token", access, as: access.isEmpty ? "-" : nil),
                .both("access_expires_at", held.connection.accessExpiresAt, missing: "-"),
                .both("refresh_token", pair.refreshToken?.text, missing: "-"),
            ])
        }
    }
}

struct ConnectionRemoveCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "remove", abstract: "Remove a connection and destroy its tokens. Cannot be undone.",
        discussion: """
            The tokens stay valid at the provider: run 'tokenvault connection revoke' first to end them.

            Example:
              tokenvault connection remove 17 --confirm 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try confirmation.check(connection.name, consequence: "Removing a connection destroys its tokens here")
        try await showKept {
            try await $0.remove(connection.find($0).id)
            return Shown(removed: connection.name)
        }
    }
}

struct ConnectionRefreshCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "refresh", abstract: "Refresh a connection now, due or not.",
        discussion: """
            Ends with 4 if the user must consent again, and with 9 if the provider gives no token now.

            After a lost answer, a refresh token is not sent again to a provider that takes its reuse for theft. \
            With --spend-uncertain it is: if it was never used, the connection recovers; otherwise the provider \
            ends the grant.

            Examples:
              tokenvault connection refresh quantimodo/alice
              tokenvault connection refresh 17 --spend-uncertain --confirm 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @Flag(
        name: .customLong("spend-uncertain"),
        help: "Send the refresh token again although it may have been spent.")
    var spendsUncertain = false
    @OptionGroup var confirmation: ConfirmationArgument
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func validate() throws {
        guard spendsUncertain || confirmation.confirm == nil else {
            throw ValidationError("--confirm belongs to --spend-uncertain.")
        }
    }

    func run() async throws {
        if spendsUncertain {
            try confirmation.check(
                connection.name, consequence: "Sending this refresh token again may end the grant")
        }
        try await showKept(calling: network) { keeper in
            let found = try await connection.find(keeper)
            switch try await keeper.refresh(found.id, spendsUncertain: spendsUncertain) {
            case .ready: break
            case .needsConsent(let need): throw VaultError(need)
            case .unavailable(let retryAfter, let reason):
                throw await keeper.failure(reason, retryAfter: retryAfter, of: found.id)
            }
            return try await Shown(keeper.vault.connection(found.id), in: keeper.vault)
        }
    }
}

struct ConnectionReplayReplyCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "replay-reply", abstract: "Read a kept reply of a provider again.",
        discussion: """
            An unreadable answer of a provider is kept sealed, because it may have tokens. Correct the entry \
            ('provider add NAME --replace') or update this program, then read it again. Nothing is sent. Ends \
            with 9 while it cannot be read.

            Example:
              tokenvault connection replay-reply 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept { keeper in
            guard let read = try await keeper.replayReply(of: connection.find(keeper).id) else {
                throw VaultError(
                    .unavailable, "The kept reply still cannot be read.",
                    remedy:
                        "Correct the entry with 'tokenvault provider add NAME --replace', or use a newer version."
                )
            }
            return try await Shown(read, in: keeper.vault)
        }
    }
}

/// Ends a connection here and at its provider.
struct ConnectionRevokeCommand: AsyncParsableCommand, VaultWork {
    static let configuration = CommandConfiguration(
        commandName: "revoke", abstract: "End a connection: here at once, and at its provider.",
        discussion: """
            No token of it is handed out from now on. The provider is asked once; should it not answer, the \
            connection stays 'revoking' and 'tokenvault refresh run' asks until it does. Where the provider has no \
            revocation endpoint, the tokens are destroyed here and live on there until they expire.

            Examples:
              tokenvault connection revoke quantimodo/alice
              tokenvault connection revoke 17 --queue
            """)

    @OptionGroup var connection: ConnectionArgument
    @Flag(help: "Leave the provider to 'tokenvault refresh run'.")
    var queue = false
    @OptionGroup var network: NetworkArguments
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await showKept(calling: network) { keeper in
            let found = try await connection.find(keeper)
            var ended = try await keeper.revoke(found.id)
            if ended.state == .revoking, !queue {
                try await keeper.attend(to: ended.id, keeper.knownProvider(ended.provider))
                ended = try await keeper.vault.connection(ended.id)
            }
            var shown = try await Shown(ended, in: keeper.vault)
            if ended.state == .revoking {
                shown.notes = [
                    "The provider does not know yet: 'tokenvault refresh run' sends the revocation."
                ]
            }
            return shown
        }
    }
}
