public import TokenKeeper
public import VaultCore

extension TokenKeeper {
    /// A client for a provider's API that brings this connection's token along.
    ///
    /// ```swift
    /// let client = try keeper.client(for: connection.id, over: connections, origins: ["https://api.example"])
    /// let response = try await client.execute(HTTPClientRequest(url: "https://api.example/v3/measurements"))
    /// ```
    ///
    /// - Parameter origins: the only places the token may go to; empty: wherever requests go.
    /// - Throws: ``ProviderClientError/insecureURL`` for an origin that is none.
    public func client(
        for connection: ConnectionID, over connections: ProviderConnections, origins: [String] = []
    ) throws(ProviderClientError) -> ProviderClient {
        try ProviderClient(
            ConnectionTokens(keeper: self, connection: connection), over: connections, origins: origins)
    }
}

/// The tokens of one connection.
struct ConnectionTokens: AccessTokenSource {
    let keeper: TokenKeeper
    let connection: ConnectionID

    func accessToken(validFor span: Duration) async throws -> AccessTokenAnswer {
        try await keeper.accessToken(for: connection, validFor: span)
    }

    func replacement(for refused: Int64, validFor span: Duration) async throws -> AccessTokenAnswer {
        try await keeper.replacement(forRefused: refused, of: connection, validFor: span)
    }
}
