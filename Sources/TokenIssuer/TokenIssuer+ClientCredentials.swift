import TokenVault
import VaultCore

extension TokenIssuer {
    /// Issues an access token to a client for itself (RFC 6749 section 4.4), without a refresh token.
    func issueToClient(_ request: TokenRequest, _ client: AuthenticatedClient) async throws(OAuthError)
        -> TokenResponse
    {
        guard let scope = ScopeSet(parsing: request.scope ?? "") else {
            throw await refusal(.malformedScope, .malformedScope, of: request, by: client)
        }
        guard scope.isSubset(of: client.registration.scope) else {
            throw await refusal(.scopeExceeded, .scopeExceeded, of: request, by: client)
        }
        do {
            // RFC 6749 section 3.3: a request without scope gets a "pre-defined default value"; ours is all of it.
            return TokenResponse(
                try await vault.issueClientCredentials(
                    to: client.client, scope: scope.isEmpty ? client.registration.scope : scope,
                    channel: .http,
                    requestID: request.requestID, supersededSecret: client.supersededSecret,
                    registryRevision: client.registryRevision), profile)
        } catch { throw failure(error) }
    }
}
