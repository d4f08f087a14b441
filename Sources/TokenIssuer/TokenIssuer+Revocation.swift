import TokenVault
import VaultCore

extension TokenIssuer {
    /// Revokes the grant of a token that was issued to the client which shows it. A refresh token and an
    /// access token alike end the whole grant (RFC 7009 section 2.1). What happened is not told: section 2.2
    /// asks for the same answer to invalid tokens, and another client's token is one to this client.
    ///
    /// - Throws: `invalid_client`; `temporarily_unavailable` when nothing was revoked.
    public func revoke(_ presented: PresentedToken) async throws(OAuthError) {
        let client = try await authenticate(presented.credentials, presented.origin)
        do {
            _ = try await vault.revoke(
                presented.token, by: client.client, channel: .http, requestID: presented.origin.requestID)
        } catch { throw failure(error) }
    }
}
