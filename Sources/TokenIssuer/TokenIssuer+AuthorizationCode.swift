import TokenRotation
import TokenVault
import VaultCore

extension TokenIssuer {
    /// Redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    func redeemCode(_ request: TokenRequest, by client: AuthenticatedClient) async throws(OAuthError)
        -> TokenResponse
    {
        guard let code = request.code else {
            throw await refusal(.missing("code"), .missingParameter, of: request, by: client)
        }
        var exchange = ExchangeRequest(
            kind: .authorizationCode, credential: code, client: client.client, channel: .http)
        exchange.redirectURI = request.redirectURI
        if exchange.redirectURI == nil, profile.impliesRedirectURI,
            client.registration.redirectURIs.count == 1
        {
            exchange.redirectURI = client.registration.redirectURIs.first
        }
        exchange.codeVerifier = request.codeVerifier
        exchange.requestID = request.requestID
        exchange.supersededSecret = client.supersededSecret
        exchange.registryRevision = client.registryRevision
        return try await self.exchange(exchange, for: client)
    }
}
