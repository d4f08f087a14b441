import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore

/// Refreshes one connection now.
struct ConnectionRefreshCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "refresh", abstract: "Refresh a connection now, whether or not it is due.",
        discussion: """
            Ends with 4 when the user has to consent again, and with 9 when the provider gives nothing now.

            After a lost answer, a provider that takes a repeated refresh token for theft is not asked again by \
            itself. --spend-uncertain asks it: either the token was never used and the connection lives on, or the \
            provider ends the grant for good.

            Examples:
              tokenvault connection refresh quantimodo/alice
              tokenvault connection refresh 17 --spend-uncertain --confirm 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @Flag(
        name: .customLong("spend-uncertain"),
        help: "Send the refresh token again although nobody knows what became of the last time.")
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
        try await network.withKeeper(location) { keeper in
            let found = try connection.find(keeper)
            switch try await keeper.refresh(found.id, spendsUncertain: spendsUncertain) {
            case .ready: break
            case .needsConsent(let need): throw VaultError(need)
            case .unavailable(let retryAfter, let reason):
                throw keeper.failure(reason, retryAfter: retryAfter, of: found.id)
            }
            try output.show(ConnectionRecord(keeper.vault.connection(found.id), in: keeper.vault))
        }
    }
}

/// Reads a kept reply again.
struct ConnectionReplayReplyCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "replay-reply",
        abstract: "Read a kept reply again: one that could not be read when it came.",
        discussion: """
            What a provider answered and nobody could read is sealed, not thrown away: there may be tokens in it. \
            With a corrected entry ('provider add NAME --replace') or a newer version it may be read. Nothing is sent. \
            Ends with 9 while it still cannot be read.

            Example:
              tokenvault connection replay-reply 17
            """)

    @OptionGroup var connection: ConnectionArgument
    @OptionGroup var location: VaultArguments
    @OptionGroup var output: OutputArguments

    func run() async throws {
        try await location.withKeeper { keeper in
            guard let read = try await keeper.replayReply(of: connection.find(keeper).id) else {
                throw VaultError(
                    .unavailable, "The kept reply still cannot be read.",
                    remedy:
                        "Correct the entry with 'tokenvault provider add NAME --replace', or use a newer version."
                )
            }
            try output.show(ConnectionRecord(read, in: keeper.vault))
        }
    }
}

/// Ends a connection here and at its provider.
struct ConnectionRevokeCommand: AsyncParsableCommand {
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
        try await network.withKeeper(location) { keeper in
            let found = try connection.find(keeper)
            var ended = try await keeper.revoke(found.id)
            if ended.state == .revoking, !queue {
                try await keeper.attend(to: ended.id, keeper.knownProvider(ended.provider))
                ended = try keeper.vault.connection(ended.id)
            }
            try output.show(ConnectionRecord(ended, in: keeper.vault))
            if ended.state == .revoking {
                output.note("The provider does not know yet: 'tokenvault refresh run' tells it.")
            }
        }
    }
}
