import TokenVault
import VaultCore

extension TokenIssuer {
    /// Answers an authorization request, or says what must come first (RFC 6749 section 4.1.1). The request
    /// is checked again each time it comes: it may have become invalid while the user signed in.
    ///
    /// - Parameters:
    ///   - user: the signed-in user; nil: no user.
    ///   - decision: what this user answered to this very request; nil: was not asked yet.
    public func authorize(
        _ request: AuthorizationRequest, user: AuthenticatedUser?, decision: ConsentDecision? = nil
    ) async -> AuthorizationResult {
        guard let issuer else { return .page(.noIssuer) }
        var pending: PendingAuthorization
        do throws(AuthorizationRefusal) {
            pending = try await judge(request, issuer: issuer)
        } catch { return error.result }
        // The user has seen where the answer goes.
        if decision != nil { pending.responder.isTrusted = true }
        guard let user, !pending.asksForSignIn(of: user) else {
            return pending.prompts.contains(.none)
                ? pending.refused(
                    OAuthError(
                        .loginRequired, "The user must sign in, and prompt=none allows no page to do so."))
                : .needsSignIn(pending)
        }
        do {
            guard try await fits(user, pending) else {
                // Who was hinted at may sign in, once.
                return pending.prompts.contains(.none) || pending.isFresh(user)
                    ? pending.refused(
                        OAuthError(.loginRequired, "The user is not the one that the id_token_hint is about.")
                    )
                    : .needsSignIn(pending)
            }
            let account = try await vault.users.find(user.id)
            guard account.state == .active else { return pending.refused(.userDisabled) }
            switch decision {
            case .deny: return pending.refused(OAuthError(.accessDenied, "The user denied the request."))
            case .allow(let scope) where pending.scope.isSubset(of: scope):
                if pending.client.isSelfRegistered {
                    let kept = try await vault.clients.keep(
                        pending.client, for: pending.scope, allowedBy: user.id, through: .http,
                        requestID: request.requestID)
                    guard let kept else { return pending.refused(.tooManyClients) }
                    pending.client = kept
                } else {
                    try await vault.consents.remember(
                        ofUser: user.id, toClient: pending.client.id, scope: pending.scope, through: .http,
                        requestID: request.requestID)
                }
            case .allow, nil:
                guard try await isRemembered(pending, of: user) else {
                    return pending.prompts.contains(.none)
                        ? pending.refused(
                            OAuthError(
                                .consentRequired,
                                "The user must be asked, and prompt=none allows no page to do so."))
                        : .needsConsent(pending, account)
                }
            }
            return pending.responder.answer(try await grant(pending, to: user))
        } catch let error as VaultError where [.notFound, .denied].contains(error.code) {
            return pending.refused(.userDisabled)
        } catch {
            // RFC 6749 section 4.1.2.1, temporarily_unavailable: "This error code is needed because a 503 Service
            // Unavailable HTTP status code cannot be returned to the client via an HTTP redirect."
            return pending.refused(failure(error))
        }
    }

    /// The error to show for a failure of the vault; the operator reads the cause.
    package func refusal(of error: any Error) -> OAuthError { failure(error) }

    /// Whether the client's `id_token_hint` is about this user. One that cannot be verified says nothing, which is not
    /// enough where no page may be shown.
    private func fits(_ user: AuthenticatedUser, _ pending: PendingAuthorization) async throws -> Bool {
        guard let idTokens, let hint = pending.request["id_token_hint"] else { return true }
        let read = try await idTokens.read(
            hint: SecretBytes(copying: hint), issuer: pending.responder.issuer)
        guard let read, read.client.utf8.elementsEqual(pending.client.clientID.utf8) else {
            return !pending.prompts.contains(.none)
        }
        return read.subject.utf8.elementsEqual(vault.users.subject(of: user.id).utf8)
    }

    /// Whether the user said yes to at least this before.
    private func isRemembered(_ pending: PendingAuthorization, of user: AuthenticatedUser) async throws
        -> Bool
    {
        // Metadata that anyone may publish, and change, are no identity to rely on.
        guard !pending.prompts.contains(.consent), pending.isClientAssured, pending.client.documentURL == nil
        else { return false }
        // A consent names no resource: what a stranger's client asks for one resource was not asked for another.
        guard !pending.client.isSelfRegistered || pending.resource == nil else { return false }
        let consent = try await vault.consents.find(ofUser: user.id, toClient: pending.client.id)
        return consent.map { pending.scope.isSubset(of: $0.scope) } ?? false
    }

    private func grant(
        _ pending: PendingAuthorization, to user: AuthenticatedUser
    ) async throws -> [(name: String, value: String)] {
        if pending.responseType == .code {
            var authorization = Authorization(
                client: pending.client.id, user: user.id, scope: pending.scope,
                redirectURI: pending.request["redirect_uri"], codeChallenge: pending.codeChallenge)
            authorization.nonce = pending.nonce
            authorization.resource = pending.resource
            authorization.authenticationTime = user.authenticatedAt
            let code = try await vault.authorize(
                authorization, through: .http, requestID: pending.request.requestID)
            return [("code", code.code.text)]
        }
        return try await implicitTokens(pending, user)
    }

    /// RFC 6749 section 4.2.2, OpenID Connect Core section 3.2.2.5.
    private func implicitTokens(_ pending: PendingAuthorization, _ user: AuthenticatedUser) async throws
        -> [(name: String, value: String)]
    {
        var parameters: [(name: String, value: String)] = []
        var accessToken: SecretBytes?
        if pending.responseType.hasAccessToken {
            let tokens = try await vault.issueImplicit(
                to: pending.client.id, user: user.id, scope: pending.scope, for: pending.resource,
                authenticationTime: user.authenticatedAt, channel: .http,
                requestID: pending.request.requestID)
            accessToken = tokens.pair.accessToken
            parameters = [
                ("access_token", tokens.pair.accessToken.text), ("token_type", "Bearer"),
                ("expires_in", String(tokens.expiresIn)), ("scope", tokens.scope.text),
            ]
        }
        if pending.responseType.hasIDToken, let idTokens {
            let now = vault.clock.now()
            let registration = pending.client.registration
            var claims = IDTokenClaims(
                issuer: pending.responder.issuer, subject: vault.users.subject(of: user.id),
                audience: pending.client.clientID, issuedAt: now,
                expiresAt: now.advanced(by: registration.lifetimes.accessToken))
            claims.authenticationTime = user.authenticatedAt.secondsSince1970
            claims.nonce = pending.nonce
            claims.accessToken = accessToken
            claims.additional = try await self.claims(of: user.id, within: pending.scope)
            let token = try await idTokens.mint(claims, algorithm: registration.idTokenAlgorithm)
            parameters.append(("id_token", token.text))
        }
        return parameters
    }
}

extension PendingAuthorization {
    /// Whether the user signed in since the request came; in whole seconds: the unit of `auth_time`, and of many a host's
    /// sessions.
    fileprivate func isFresh(_ user: AuthenticatedUser) -> Bool {
        user.authenticatedAt.secondsSince1970 >= request.receivedAt.secondsSince1970
    }

    /// Whether a sign-in before this request came will not do.
    fileprivate func asksForSignIn(of user: AuthenticatedUser) -> Bool {
        guard !isFresh(user) else { return false }
        // OpenID Connect Core section 3.1.2.1: "If the elapsed time is greater than this value, the OP MUST attempt to
        // actively re-authenticate the End-User." Counted to when the request came: reading a page takes time.
        let isTooOld =
            maximumAge.map { request.receivedAt.elapsed(since: user.authenticatedAt) > $0 } ?? false
        return isTooOld || prompts.contains(.login) || prompts.contains(.selectAccount)
    }

    /// RFC 8252 section 8.6: "authorization servers SHOULD NOT process authorization requests automatically
    /// without user consent or interaction, except when the identity of the client can be assured". Any
    /// program on the device can claim a loopback port or a private-use scheme.
    package var isClientAssured: Bool {
        !client.registration.isPublic || redirectURI.hasPrefix("https://") && !leadsToThisDevice
    }

    /// TLS proves nothing there. A number that is no address of the usual form may be a spelling of a loopback address.
    private var leadsToThisDevice: Bool {
        let authority = redirectURI.dropFirst("https://".count).prefix { $0 != "/" && $0 != "?" }
        if let address = IPAddress(authority) { return address.isLoopback }
        let last = authority.prefix { $0 != ":" }.lowercased().split(separator: ".").last ?? ""
        return last == "localhost" || last.first?.isLetter != true
    }

    fileprivate func refused(_ error: OAuthError) -> AuthorizationResult {
        responder.answer(error)
    }
}

extension OAuthError {
    fileprivate static let tooManyClients = OAuthError(
        .accessDenied,
        "The user allows \(Limits.selfRegisteredClients) applications that registered themselves, or was the first to allow as many within 30 days."
    )

    fileprivate static let noIssuer = OAuthError(
        .serverError, status: 500, "This server does not know the URL it is reached by.")
}
