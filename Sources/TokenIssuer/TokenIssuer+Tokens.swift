import Foundation
import Logging
public import TokenVault
public import VaultCore

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

    /// What a token stands for now, as a JSON object: `{"active":false}` and no more for any that is not valid.
    ///
    /// A client sees its own tokens; the access tokens of others only a resource server does
    /// (``TokenVault/ClientRegistration/mayIntrospect``). The first valid look at an access token counts as its first
    /// use. The user's name is not told: `sub` says who it is, and more is at userinfo with the user's consent.
    ///
    /// - Throws: `invalid_client`, also for a public client, which proves nothing.
    public func introspect(_ presented: PresentedToken) async throws(OAuthError) -> [UInt8] {
        do {
            let recent = authenticateRecent(presented.credentials, presented.origin)
            return try await vault.withRecentClient(recent?.client) { recent in
                let caller =
                    if let recent { recent } else {
                        try await authenticate(presented.credentials, presented.origin).client
                    }
                guard !caller.registration.isPublic else { throw OAuthError.invalidClient }
                if let accessToken = try await vault.validate(presented.token, for: caller) {
                    return try Self.json(
                        IntrospectedToken(
                            accessToken, type: "Bearer", of: try await client(accessToken.client, caller),
                            self))
                }
                try caller.requireReading()
                // To its own client only: a resource server that asks for no token_type would take it for an access token.
                if let refreshToken = try await vault.inspectRefreshToken(presented.token),
                    refreshToken.client == caller.id
                {
                    return try Self.json(IntrospectedToken(refreshToken, type: nil, of: caller, self))
                }
                return Self.inactive
            }
        } catch let error as VaultError where error.code == .notFound {
            // Its client was removed a moment ago.
            return Self.inactive
        } catch { throw error as? OAuthError ?? failure(error) }
    }

    /// The client of a token; most ask for their own.
    private func client(_ id: OwnerID, _ caller: Client) async throws -> Client {
        id == caller.id ? caller : try await vault.client(id)
    }

    /// Who a token speaks for (`sub`): the user, or the client that it was issued to for itself.
    func subject(of owner: OwnerID, client: Client) -> String {
        owner == client.id ? client.clientID : vault.subject(of: owner)
    }

    private static let inactive = Array(#"{"active":false}"#.utf8)
}

/// The members of RFC 7662 section 2.2; absent ones are left out.
private struct IntrospectedToken: Encodable {
    let active = true
    let scope: String?
    let clientID: String
    let tokenType: String?
    let exp: Int64
    let iat: Int64
    let sub: String
    let aud: String?
    let iss: String?

    /// - Parameter type: how an access token is used; a refresh token has none.
    init(_ token: ValidToken, type: String?, of client: Client, _ issuer: TokenIssuer) {
        scope = token.scope.isEmpty ? nil : token.scope.text
        clientID = client.clientID
        tokenType = type
        exp = token.expiresAt.secondsSince1970
        iat = token.issuedAt.secondsSince1970
        sub = issuer.subject(of: token.owner, client: client)
        aud = token.audience
        iss = issuer.issuer
    }

    private enum CodingKeys: String, CodingKey {
        case active, scope, exp, iat, sub, aud, iss
        case clientID = "client_id"
        case tokenType = "token_type"
    }
}

extension TokenIssuer {
    /// Checks an access token, as ``TokenVault/Vault/validate(_:)`` does; nil: not valid.
    ///
    /// - Throws: `temporarily_unavailable` when storage does not answer.
    public func validate(_ accessToken: SecretBytes) async throws(OAuthError) -> ValidToken? {
        do { return try await vault.validate(accessToken) } catch { throw failure(error) }
    }

    /// What an access token lets its client know of the user, as a JSON object (OpenID Connect Core section 5.3.2).
    ///
    /// - Throws: `insufficient_scope` without `openid`, `invalid_token` when the token speaks for no user.
    public func userinfo(_ accessToken: ValidToken) async throws(OAuthError) -> [UInt8] {
        guard accessToken.scope.names.contains("openid") else {
            throw OAuthError(.insufficientScope, status: 403, "The access token is not for the scope openid.")
        }
        guard accessToken.owner != accessToken.client else {
            throw OAuthError(
                .invalidToken, status: 401, "The access token speaks for a client, not for a user.")
        }
        let user: User
        do { user = try await vault.user(accessToken.owner) } catch let error as VaultError
            where error.code == .notFound
        {
            throw OAuthError(.invalidToken, status: 401, "The user was removed.")
        } catch { throw failure(error) }
        var members: [String: ClaimValue]
        do { members = try await claims.about(user, within: accessToken.scope) } catch {
            vault.logger.error(
                "The host's claims about a user could not be had.",
                metadata: ["error.type": "\(type(of: error))"])
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "What is known of the user cannot be read now.",
                retryAfter: 5)
        }
        members["sub"] = .string(vault.subject(of: user.id))
        do { return try Self.json(members) } catch { throw failure(error) }
    }
}
