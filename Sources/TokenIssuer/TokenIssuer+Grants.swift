import Logging
import TokenRotation
import TokenVault
import VaultCore

extension TokenIssuer {
    /// What redeems an authorization code (RFC 6749 section 4.1.3, RFC 7636 section 4.5).
    func codeExchange(
        _ code: SecretBytes, _ redirectURI: String?, _ codeVerifier: SecretBytes?,
        by client: AuthenticatedClient, _ origin: RequestOrigin
    ) -> ExchangeRequest {
        var exchange = ExchangeRequest(
            kind: .authorizationCode, credential: code, client: client.client, channel: origin.channel)
        exchange.redirectURI = redirectURI
        if redirectURI == nil, profile.impliesRedirectURI, client.registration.redirectURIs.count == 1 {
            exchange.redirectURI = client.registration.redirectURIs.first
        }
        exchange.codeVerifier = codeVerifier
        return exchange
    }

    /// What refreshes (RFC 6749 section 6): a new pair, or the same one again for a client whose response was lost.
    func refreshExchange(
        _ token: SecretBytes, _ scope: ScopeSet?, by client: AuthenticatedClient, _ origin: RequestOrigin
    ) -> ExchangeRequest {
        var exchange = ExchangeRequest(
            kind: .refreshToken, credential: token, client: client.client, channel: origin.channel)
        exchange.scope = scope?.withoutOfflineAccess(for: client.registration)
        return exchange
    }

    /// Issues an access token to a client for itself (RFC 6749 section 4.4), without a refresh token.
    func issueToClient(
        _ scope: ScopeSet?, _ request: TokenRequest, _ client: AuthenticatedClient
    ) async throws -> TokenResponse {
        let registered = client.registration.scope
        // RFC 6749 section 3.3: a request without scope gets a "pre-defined default value"; ours is all of it.
        let scope = scope.flatMap { $0.isEmpty ? nil : $0 } ?? registered
        guard scope.isSubset(of: registered) else {
            throw try await refusal(.scopeExceeded, .scopeExceeded, of: request, by: client)
        }
        return TokenResponse(
            try await vault.issueClientCredentials(
                to: client.client, scope: scope, for: request.resource, channel: request.origin.channel,
                requestID: request.origin.requestID, supersededSecret: client.supersededSecret))
    }

    /// The scope that makes an authorization request one of OpenID Connect (OpenID Connect Core section 3.1.2.1).
    static let openIDScope = "openid"

    /// What an id_token says beside the access token that an exchange is about to give.
    func idTokenClaims(
        _ prepared: PreparedExchange, _ issuer: String, _ client: Client, _ kind: CredentialKind
    ) async throws -> IDTokenClaims {
        let now = vault.clock.now()
        let life = min(client.registration.lifetimes.accessToken, IDTokenClaims.longestLife)
        var claims = IDTokenClaims(
            issuer: issuer, subject: vault.users.subject(of: prepared.owner), audience: client.clientID,
            issuedAt: now, expiresAt: now.advanced(by: life))
        claims.authenticationTime = prepared.context.authenticationTime
        // OpenID Connect Core section 12.2: a refreshed id_token "SHOULD NOT have a nonce Claim".
        claims.nonce = kind == .authorizationCode ? prepared.context.nonce : nil
        claims.accessToken = prepared.accessToken
        claims.additional = try await self.claims(of: prepared.owner, within: prepared.scope)
        return claims
    }

    /// Logs a token request that came in a query string, for the operator of old clients.
    func noteLegacyGet(_ client: AuthenticatedClient, _ origin: RequestOrigin) async throws {
        vault.logger.warning(
            "A client sent its token request in a query string, where proxies may have logged it.",
            metadata: ["request_id": "\(origin.requestID ?? "-")"])
        var event = AuditEvent(
            .tokenRequest, by: AuditActor(client.client.pseudonym, origin.channel), reason: "legacy_get",
            requestID: origin.requestID)
        // A public client is named by anybody, so it counts as a stranger.
        event.isLimited = !client.client.registration.isPublic
        try await vault.record(event)
    }
}
