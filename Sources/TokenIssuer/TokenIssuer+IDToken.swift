import TokenRotation
import TokenVault
import VaultCore

extension TokenIssuer {
    /// The scope that makes an authorization request one of OpenID Connect (OpenID Connect Core section 3.1.2.1).
    static let openIDScope = "openid"

    /// Runs the swap, with an id_token where the scope has `openid`: signed before it is committed, so that a failure
    /// to sign spends no token.
    func exchangeTokens(
        _ exchange: ExchangeRequest, for client: Client
    ) async throws -> (ExchangeResult, idToken: SecretBytes?) {
        // Preparing reads the grant, which most clients' refreshes need not wait for.
        guard let idTokens, let issuer, client.registration.scope.names.contains(Self.openIDScope) else {
            return (try await vault.exchange(exchange), nil)
        }
        return try await vault.exchange(exchange, ifScopeContains: Self.openIDScope) { prepared in
            let now = vault.clock.now()
            let life = min(client.registration.lifetimes.accessToken, IDTokenClaims.longestLife)
            var claims = IDTokenClaims(
                issuer: issuer, subject: vault.subject(of: prepared.owner), audience: client.clientID,
                issuedAt: now, expiresAt: now.advanced(by: life))
            claims.authenticationTime = prepared.context.authenticationTime
            // OpenID Connect Core section 12.2: a refreshed id_token "SHOULD NOT have a nonce Claim".
            claims.nonce = exchange.kind == .authorizationCode ? prepared.context.nonce : nil
            claims.accessToken = prepared.accessToken
            return try await idTokens.mint(claims, algorithm: client.registration.idTokenAlgorithm)
        }
    }
}
