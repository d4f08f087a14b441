import Logging
public import TokenVault
public import VaultCore

/// The requests of clients, as calls of a host: without HTTP, and with every check that the endpoints make.
extension TokenIssuer {
    /// Redeems an authorization code (RFC 6749 section 4.1.3).
    ///
    /// ```swift
    /// let tokens = try await issuer.redeem(
    ///     code, redirectURI: "https://app.example/callback", codeVerifier: verifier,
    ///     for: .secret(secret, clientID: "app"))
    /// ```
    ///
    /// - Parameters:
    ///   - code: The code, which is good once. Redeeming it a second time revokes its grant.
    ///   - redirectURI: The redirect URI of the authorization request; nil when that had none.
    ///   - codeVerifier: The PKCE verifier (RFC 7636 section 4.5); nil when the authorization request had no challenge.
    ///   - resource: The resource that the tokens are meant for (RFC 8707). Nil for the one of the authorization request.
    ///   - client: The client that the code was issued to.
    ///   - origin: The origin of the request, for the audit log.
    /// - Returns: Tokens that are on the disk.
    /// - Throws: `invalid_client`, `unauthorized_client`, and `invalid_grant` when the code is not valid or not bound to these
    ///   values, `invalid_target` for another resource than the authorization request named; `temporarily_unavailable` when the same call may succeed later.
    public func redeem(
        _ code: SecretBytes, redirectURI: String? = nil, codeVerifier: SecretBytes? = nil,
        resource: ResourceIdentifier? = nil, for client: ClientCredentials,
        from origin: RequestOrigin = .library
    ) async throws(OAuthError) -> TokenResponse {
        try await token(
            TokenRequest(
                .authorizationCode(code, redirectURI: redirectURI, codeVerifier: codeVerifier), for: resource,
                from: client, origin))
    }

    /// Rotates a refresh token: returns a new pair of tokens, after which the old refresh token is used up (RFC 6749 section 6).
    ///
    /// ```swift
    /// let tokens = try await issuer.refresh(refreshToken, for: .authenticated(client))
    /// ```
    ///
    /// A client that lost the answer repeats the call within its retry window and gets the same pair again. Reuse of the old
    /// token after that revokes its grant.
    ///
    /// - Parameters:
    ///   - refreshToken: The newest refresh token of its grant, or the one before it within the retry window.
    ///   - scope: The scope of the new access token, within that of the grant; nil for all of it.
    ///   - resource: The resource that the new tokens are meant for (RFC 8707). Nil for that of the tokens before.
    ///   - client: The client that the token was issued to.
    ///   - origin: The origin of the request, for the audit log.
    /// - Returns: Tokens that are on the disk.
    /// - Throws: `invalid_client`, `unauthorized_client`, `invalid_scope`, `invalid_target`, and `invalid_grant` when the token
    ///   is not valid; `temporarily_unavailable` when the same call may succeed later.
    public func refresh(
        _ refreshToken: SecretBytes, scope: ScopeSet? = nil, resource: ResourceIdentifier? = nil,
        for client: ClientCredentials, from origin: RequestOrigin = .library
    ) async throws(OAuthError) -> TokenResponse {
        try await token(
            TokenRequest(.refreshToken(refreshToken, scope: scope), for: resource, from: client, origin))
    }

    /// Issues an access token to a client for itself (`client_credentials`, RFC 6749 section 4.4), without a refresh token.
    ///
    /// - Parameters:
    ///   - scope: The scope of the token, within what the client is registered for; nil for all of it.
    ///   - resource: The resource that the token is meant for (RFC 8707); nil for any.
    ///   - client: The client, which must be registered for this grant type.
    ///   - origin: The origin of the request, for the audit log.
    /// - Returns: An access token that is on the disk.
    /// - Throws: `invalid_client`, `unauthorized_client`, `invalid_scope`; `temporarily_unavailable` when the same call may
    ///   succeed later.
    public func issue(
        scope: ScopeSet? = nil, resource: ResourceIdentifier? = nil, for client: ClientCredentials,
        from origin: RequestOrigin = .library
    ) async throws(OAuthError) -> TokenResponse {
        try await token(TokenRequest(.clientCredentials(scope: scope), for: resource, from: client, origin))
    }

    /// Revokes the grant of a token that was issued to this client. A refresh token and an access token alike end the whole grant
    /// (RFC 7009 section 2.1). The call returns normally for an invalid token too, and for one of another client: section 2.2
    /// asks for the same answer.
    ///
    /// A host that ends a grant on its own account calls ``TokenVault/Vault/revokeGrant(_:)``.
    ///
    /// - Throws: `invalid_client`; `temporarily_unavailable` when nothing was revoked.
    public func revoke(
        _ token: SecretBytes, for client: ClientCredentials, from origin: RequestOrigin = .library
    ) async throws(OAuthError) {
        let client = try await authenticate(client, origin)
        do {
            _ = try await vault.grants.revoke(
                token, by: client.client, channel: origin.channel, requestID: origin.requestID)
        } catch { throw failure(error) }
    }

    /// Introspects a token for a client or resource server (RFC 7662).
    ///
    /// A client sees its own tokens. A resource server (``TokenVault/ClientRegistration/mayIntrospect``) sees the access tokens
    /// of all clients. The first call for a valid access token counts as its first use. The answer holds the user's subject and
    /// not the user's name; ``userinfo(_:)`` tells more, with the user's consent. A host that protects its own routes calls
    /// ``validate(_:)``.
    ///
    /// - Returns: Nil when the token is not active, or is not this client's to see.
    /// - Throws: `invalid_client`, also for a public client, which proves nothing; `temporarily_unavailable`.
    public func introspect(
        _ token: SecretBytes, for client: ClientCredentials, from origin: RequestOrigin = .library
    ) async throws(OAuthError) -> IntrospectedToken? {
        do {
            let recent = authenticateRecent(client, origin)
            return try await vault.withRecentClient(recent?.client) { recent in
                let caller = if let recent { recent } else { try await authenticate(client, origin).client }
                guard !caller.registration.isPublic else { throw OAuthError.invalidClient }
                if let accessToken = try await vault.validate(token, for: caller.sight) {
                    return IntrospectedToken(
                        accessToken, isAccessToken: true,
                        of: try await self.client(accessToken.client, caller), self)
                }
                try caller.requireReading()
                // To its own client only: a resource server that asks for no token_type would take it for an access token.
                if let refreshToken = try await vault.inspectRefreshToken(token),
                    refreshToken.client == caller.id
                {
                    return IntrospectedToken(refreshToken, isAccessToken: false, of: caller, self)
                }
                return nil
            }
        } catch let error as VaultError where error.code == .notFound {
            // Its client was removed a moment ago.
            return nil
        } catch { throw error as? OAuthError ?? failure(error) }
    }

    /// The client of a token; most ask for their own.
    private func client(_ id: OwnerID, _ caller: Client) async throws -> Client {
        id == caller.id ? caller : try await vault.clients.find(id)
    }

    /// Who a token speaks for (`sub`): the user, or the client that it was issued to for itself.
    func subject(of owner: OwnerID, client: Client) -> String {
        owner == client.id ? client.clientID : vault.users.subject(of: owner)
    }
}

/// The state of an active token (RFC 7662 section 2.2).
public struct IntrospectedToken: Sendable {
    /// Whether it is an access token. A refresh token is shown to its own client alone; no resource server may accept one.
    public let isAccessToken: Bool
    /// The scope that it was issued for.
    public let scope: ScopeSet
    /// The `client_id` of the client that it was issued to.
    public let clientID: String
    /// The subject (`sub`): the user, or the client itself if the token was issued to it for itself.
    public let subject: String
    /// The resource server that it is meant for (`aud`); nil when it names none.
    public let audience: String?
    /// The time at which it was issued (`iat`).
    public let issuedAt: VaultInstant
    /// The time at which it expires (`exp`).
    public let expiresAt: VaultInstant

    init(_ token: ValidToken, isAccessToken: Bool, of client: Client, _ issuer: TokenIssuer) {
        self.isAccessToken = isAccessToken
        scope = token.scope
        clientID = client.clientID
        subject = issuer.subject(of: token.owner, client: client)
        audience = token.audience
        issuedAt = token.issuedAt
        expiresAt = token.expiresAt
    }
}

extension TokenIssuer {
    /// Checks an access token, as ``TokenVault/Vault/validate(_:)`` does; nil: not valid.
    ///
    /// - Throws: `temporarily_unavailable` when storage does not answer.
    public func validate(_ accessToken: SecretBytes) async throws(OAuthError) -> ValidToken? {
        do { return try await vault.validate(accessToken) } catch { throw failure(error) }
    }

    /// Claims about the user that an access token lets its client know, `sub` among them (OpenID Connect Core section 5.3.2).
    ///
    /// - Throws: `insufficient_scope` without `openid`, `invalid_token` when the token speaks for no user or was issued for
    ///   another resource than the issuer.
    public func userinfo(_ accessToken: ValidToken) async throws(OAuthError) -> [String: ClaimValue] {
        guard accessToken.scope.names.contains("openid") else {
            throw OAuthError(.insufficientScope, status: 403, "The access token is not for the scope openid.")
        }
        guard accessToken.owner != accessToken.client else {
            throw OAuthError(
                .invalidToken, status: 401, "The access token speaks for a client, not for a user.")
        }
        // A service that was given a token for itself must not learn with it who the user is.
        guard isForUserinfo(accessToken.audience) else {
            throw OAuthError(
                .invalidToken, status: 401, "The access token was issued for another resource.")
        }
        let user: User
        do { user = try await vault.users.find(accessToken.owner) } catch let error as VaultError
            where error.code == .notFound
        {
            throw OAuthError(.invalidToken, status: 401, "The user was removed.")
        } catch { throw failure(error) }
        var members = try await told(of: user, within: accessToken.scope)
        members["sub"] = .string(vault.users.subject(of: user.id))
        return members
    }

    private func isForUserinfo(_ audience: String?) -> Bool {
        guard let audience else { return true }
        return issuer.flatMap { ResourceIdentifier($0) }.map { $0 == ResourceIdentifier(audience) } ?? false
    }

    /// What an id_token tells of its user besides who it is (OpenID Connect Core section 5.4). Many clients read no userinfo.
    func claims(of user: OwnerID, within scope: ScopeSet) async throws -> [String: ClaimValue] {
        guard claims.isAsked(by: scope) else { return [:] }
        return try await told(of: try await vault.users.find(user), within: scope)
    }

    private func told(of user: User, within scope: ScopeSet) async throws(OAuthError) -> [String: ClaimValue]
    {
        do { return try await claims.about(user, within: scope, in: vault) } catch let error as VaultError {
            throw failure(error)
        } catch {
            vault.logger.error(
                "The host failed to return claims about a user.",
                metadata: ["error.type": "\(type(of: error))"])
            throw OAuthError(
                .temporarilyUnavailable, status: 503, "What is known of the user cannot be read now.",
                retryAfter: 5)
        }
    }
}
