import TokenRotation
import TokenVault
import VaultCore

extension TokenIssuer {
    /// Refreshes (RFC 6749 section 6): a new pair, or the same one again for a client whose response was lost.
    func refresh(_ request: TokenRequest, by client: AuthenticatedClient) async throws(OAuthError)
        -> TokenResponse
    {
        guard let refreshToken = request.refreshToken else {
            throw await refusal(.missing("refresh_token"), .missingParameter, of: request, by: client)
        }
        var exchange = ExchangeRequest(
            kind: .refreshToken, credential: refreshToken, client: client.client, channel: .http)
        if let text = request.scope {
            guard let scope = ScopeSet(parsing: text) else {
                throw await refusal(.malformedScope, .malformedScope, of: request, by: client)
            }
            exchange.scope = scope
        }
        exchange.requestID = request.requestID
        exchange.supersededSecret = client.supersededSecret
        exchange.registryRevision = client.registryRevision
        return try await self.exchange(exchange, for: client)
    }
}
