import ArgumentParser
import TokenKeeper
import TokenVault
import VaultCore

/// The connection a command is about.
struct ConnectionArgument: ParsableArguments {
    @Argument(
        help: ArgumentHelp(
            "Its number, PROVIDER/USER or PROVIDER/USER/LABEL; PROVIDER alone for tokens of our own. - for USER "
                + "reads it from standard input.",
            valueName: "connection"))
    var name: String

    /// - Throws: `VaultError.Code.notFound` for the provider, the user or the connection.
    func find(_ keeper: TokenKeeper) throws -> Connection {
        if let number = Int64(name) { return try keeper.vault.connection(ConnectionID(number)) }
        let parts = name.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false).map(
            String.init)
        let owner = parts.count > 1 ? try keeper.vault.user(named: StandardInput.name(parts[1])).id : .system
        let label = parts.count > 2 ? parts[2] : ""
        guard let found = try keeper.connection(at: parts[0], of: owner, label: label) else {
            throw VaultError(
                .notFound, "There is no such connection.",
                remedy: "See 'tokenvault connection list'; the number of a connection always works.")
        }
        return found
    }
}

extension TokenKeeper {
    /// A token, or the command's failure.
    func token(for connection: Connection) async throws -> HeldAccessToken {
        switch try await accessToken(for: connection.id) {
        case .ready(let token): return token
        case .needsConsent(let need): throw VaultError(need)
        case .unavailable(let retryAfter, let reason):
            throw failure(reason, retryAfter: retryAfter, of: connection.id)
        }
    }

    /// Why there is no token now, with the provider's words where it refuses.
    func failure(_ reason: UnavailableReason, retryAfter: Duration, of id: ConnectionID) -> VaultError {
        VaultError(reason, retryAfter: retryAfter, refusal: try? vault.connection(id).refusal)
    }
}
