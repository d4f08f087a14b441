import ArgumentParser
import ProviderHTTP
import TokenKeeper
import VaultCore

struct NetworkArguments: ParsableArguments {
    @Option(
        name: .customLong("ca-file"),
        help: ArgumentHelp("Also trust the certificate authorities in this file (PEM).", valueName: "path"),
        completion: .file())
    var authoritiesFile: String?

    func withTransport<Result>(_ body: (AsyncHTTPTransport) async throws -> Result) async throws -> Result {
        let configuration =
            authoritiesFile.map { ConnectionConfiguration(authoritiesFile: $0) } ?? ConnectionConfiguration()
        return try await AsyncHTTPTransport.withTransport(configuration: configuration, body)
    }

    /// Opens the vault under a keeper that can call providers.
    func withKeeper<Result>(
        _ location: VaultArguments, _ body: (TokenKeeper) async throws -> Result
    ) async throws -> Result {
        try await withTransport { try await location.withKeeper(over: $0, body) }
    }
}

extension VaultArguments {
    /// Opens the vault under a keeper without a network, for commands about stored rows.
    func withKeeper<Result>(
        over transport: any ProviderTransport = NoTransport(), _ body: (TokenKeeper) async throws -> Result
    ) async throws -> Result {
        try await withVault { vault in
            let keeper = TokenKeeper(vault: vault, transport: transport)
            return try await running {
                try await body(keeper)
            } finally: {
                // A token that grows stale is refreshed behind: its successor must be stored before the vault closes.
                await keeper.finish()
            }
        }
    }
}

/// The transport of a keeper without a network.
struct NoTransport: ProviderTransport {
    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        throw .notSent(.shutdown)
    }
}
