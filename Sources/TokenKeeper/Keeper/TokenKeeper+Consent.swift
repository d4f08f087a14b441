import TokenVault
public import VaultCore
import VaultCrypto

/// A consent to ask a user for.
public struct ConsentRequest: Sendable {
    /// The name of the provider in the vault.
    public var provider: String
    public var user: OwnerID
    /// Tells several connections of one user at one provider apart.
    public var label = ""
    /// The redirect URI that is registered at the provider.
    public var redirectURI: String
    /// A secret of this browser only, such as the identifier of its session: the callback is accepted only there.
    public var session: SecretBytes
    /// The scope, names joined by single spaces; nil for the provider's default scope.
    public var scope: String?
    /// Whether another account of the provider may replace the connected one.
    /// Without it such a consent is refused by ``KeeperError/Code/otherAccount``.
    public var replacesAccount = false
    /// The time the user has to consent, an hour at most.
    public var lifetime = Duration.seconds(600)

    public init(provider: String, user: OwnerID, redirectURI: String, session: SecretBytes) {
        self.provider = provider
        self.user = user
        self.redirectURI = redirectURI
        self.session = session
    }
}

/// A pending consent, with the URL to send the browser to.
public struct BegunConsent: Sendable {
    public let url: String
    /// The state in the URL, for callers that compare it themselves too.
    public let state: SecretBytes
}

extension TokenKeeper {
    /// Begins a consent: durable before the browser leaves, for one use, bound to its session (RFC 9700 section 4.7).
    ///
    /// - Throws: ``VaultError/Code/notFound`` (provider), ``VaultError/Code/denied`` (user), ``KeeperError`` for a provider
    ///   without an authorization endpoint.
    public func begin(_ request: ConsentRequest) async throws -> BegunConsent {
        guard request.user != .system else {
            throw VaultError(.invalidInput, "Tokens of our own need no consent.")
        }
        let provider = try await knownProvider(named: request.provider)
        guard provider.provider.endpoints.authorization != nil else {
            throw KeeperError(.notSupported, "This provider asks no user for consent.")
        }
        let random = SystemRandom()
        let state = SecretBytes(Base64URL.encode(random.bytes(32)))
        let verifier = provider.provider.requests.usesPKCE ? PKCE.newVerifier() : nil
        let scope = request.scope ?? provider.defaultScope
        let isOpenID = scope?.split(separator: " ").contains("openid") ?? false
        let nonce =
            isOpenID && provider.dialect.asks(with: "nonce")
            ? Base64URL.encodeToString(random.bytes(16)) : nil
        let url = try provider.dialect.authorizationURL(
            state: state, redirectURI: request.redirectURI, scope: scope,
            codeChallenge: verifier.flatMap(PKCE.challengeS256(of:)), nonce: nonce)
        try await vault.beginAuthorization(
            BegunAuthorization(
                provider: provider.id, owner: request.user, label: request.label,
                redirectURI: request.redirectURI, scope: scope, verifier: verifier, nonce: nonce,
                replacesAccount: request.replacesAccount),
            state: state, session: request.session, lifetime: request.lifetime)
        return BegunConsent(url: url, state: state)
    }

    /// Ends a consent: exchanges the code and stores the tokens before this returns. A connection that the
    /// user has at this provider under this label goes on with the new tokens alone: no token of the consent before stays
    /// beside them. Those of another account, where the provider tells, are refused unless the consent was begun with
    /// ``ConsentRequest/replacesAccount``.
    ///
    /// - Throws: ``KeeperError``; ``VaultError`` for trouble of our own.
    public func complete(_ callback: ConsentCallback, session: SecretBytes) async throws -> Connection {
        guard let state = callback.state,
            let request = try await vault.takeAuthorization(state: state, session: session)
        else { throw KeeperError.unknown }
        let provider = try await knownProvider(request.provider)
        try callback.check(isFrom: provider.provider)
        let known = [request.scope, request.redirectURI, provider.dialect.credentials.clientID].compactMap {
            $0
        }
        let secrets = [state, session] + [request.verifier].compactMap { $0 }
        if let words = callback.errorWords(masking: secrets, showing: known) {
            throw callback.error == "access_denied"
                ? KeeperError(.accessDenied, "Access was not granted.", diagnostic: words)
                : KeeperError(
                    .refused, "The provider did not accept the request. Begin again.", diagnostic: words)
        }
        guard let code = callback.code else { throw KeeperError.unknown }
        let exchange = provider.dialect.codeExchange(
            code: code, redirectURI: request.redirectURI, verifier: request.verifier)
        // The code is spent from here on: what comes is stored, whatever becomes of the caller.
        return try await undisturbed { [self] in
            // Trouble with what was given up must not cost what is being given.
            try? await revokeLeftover(of: request, provider)
            let answer = await ask(provider, exchange, sent: nil, alsoSent: secrets + [code])
            return try await settle(answer, of: request, callback, provider)
        }
    }

    /// Tokens that the user gave up before, and that new ones are about to replace, are revoked first.
    private func revokeLeftover(of request: BegunAuthorization, _ provider: KnownProvider) async throws {
        guard
            let old = try await vault.connection(at: provider.id, of: request.owner, label: request.label),
            old.state == .revoking
        else { return }
        _ = try await revokeThere(try await vault.heldConnection(old.id), provider)
    }

    private func settle(
        _ answer: ProviderAnswer, of request: BegunAuthorization, _ callback: ConsentCallback,
        _ provider: KnownProvider
    ) async throws -> Connection {
        let asked = callback.scope(separatedBy: provider.provider.requests.scopeSeparator) ?? request.scope
        switch answer {
        case .reply(.granted(let granted), _) where granted.fitsOneRow:
            if IDToken.contradicts(
                request.nonce, granted.idToken,
                isCodeBound: request.verifier != nil && provider.dialect.bindsCode)
            {
                throw try await refuse(granted, request.owner, provider, with: .wrongConsent)
            }
            var granted = granted
            for name in provider.provider.requests.keptCallbackParameters {
                if let value = callback.kept(name) { granted.metadata[name] = value }
            }
            granted.scope = granted.scope ?? asked
            return try await store(
                granted, provider, request.owner, label: request.label,
                replacesAccount: request.replacesAccount
            ).connection
        case .reply(.granted, let raw), .reply(.unreadable, let raw):
            throw try await keepUnread(
                raw, answer.diagnostic, provider, request.owner, label: request.label, scope: asked)
        case .reply(.refused(let refusal), _):
            throw KeeperError(refusal, of: "the code")
        case .reply(.busy(_, let text), _), .reply(.ambiguous(let text), _):
            throw KeeperError.silent(text)
        case .failure(let failure):
            throw KeeperError.silent(failure.cause.rawValue)
        }
    }

    /// Keeps unwanted tokens just long enough to revoke them at the provider, under a label of their
    /// own: the connection that the user has stays as it is.
    ///
    /// - Returns: what to tell.
    private func refuse(
        _ granted: NewTokens, _ owner: OwnerID, _ provider: KnownProvider, with error: KeeperError
    ) async throws -> KeeperError {
        let label = "unwanted-" + Base64URL.encodeToString(SystemRandom().bytes(6))
        let held = try await store(granted, provider, owner, label: label, isUnwanted: true)
        let fate: String
        if (try? await revokeThere(held, provider)) == true {
            let reason = try? await vault.connection(held.id).reason
            fate =
                reason == "revoked-there"
                ? "its tokens were revoked at the provider"
                : "its tokens were destroyed here, but the provider does not revoke them"
            try? await vault.removeConnection(held.id)
        } else {
            fate = "its tokens are revoked as soon as the provider answers, by the keeper"
        }
        return KeeperError(error.code, error.message, diagnostic: "\(error.diagnostic); \(fate).")
    }

    /// Stores what a provider granted, as the next generation of the owner's connection.
    package func store(
        _ granted: NewTokens, _ provider: KnownProvider, _ owner: OwnerID, label: String,
        isUnwanted: Bool = false, replacesAccount: Bool = false
    ) async throws -> HeldConnection {
        let now = clock.now()
        var tokens = granted.limited(by: provider.provider.expiry, at: now)
        tokens.absoluteExpiresAt = provider.provider.expiry.refreshAbsolute.map { now.advanced(by: $0) }
        if tokens.refreshToken == nil, provider.provider.refresh.method == .refreshToken {
            tokens.refreshExpiresAt = nil
        }
        var grant = ConnectionGrant(provider.id, owner, label: label, tokens: tokens)
        grant.isUnwanted = isUnwanted
        grant.replacesAccount = replacesAccount
        // A connection of its own number spreads better; here the clock serves.
        grant.dueAt = schedule(provider).dueAt(
            issued: now, accessEnd: tokens.accessExpiresAt,
            refreshEnd: tokens.refreshExpiresAt,
            spread: UInt64(bitPattern: now.millisecondsSince1970))
        do {
            let held = try await persistently { [grant] in try await vault.storeConnection(grant) }
            self.tokens.forget(held.id)
            return held
        } catch let other as OtherAccount {
            // To revoke them may end the grant of the connection that has that account.
            if other.isConnected { throw KeeperError.otherAccount }
            throw try await refuse(granted, owner, provider, with: .otherAccount)
        } catch let error as VaultError where error.code != .outcomeUnknown {
            // They are not in the vault and nobody will ever use them; the provider should not think so.
            let token = granted.refreshToken ?? granted.accessToken
            let hint: TokenHint = granted.refreshToken == nil ? .accessToken : .refreshToken
            if let request = provider.dialect.revocation(token, hint: hint) {
                _ = try? await send(request, to: provider)
            }
            throw error
        }
    }

    /// Keeps a reply that cannot be read, as it came.
    ///
    /// - Returns: what to tell.
    func keepUnread(
        _ reply: SecretBytes, _ why: String?, _ provider: KnownProvider, _ owner: OwnerID, label: String,
        scope: String?
    ) async throws -> KeeperError {
        var grant = ConnectionGrant(provider.id, owner, label: label, reply: reply)
        grant.scope = scope ?? ""
        _ = try await persistently { [grant] in try await vault.storeConnection(grant) }
        return KeeperError(
            .unreadableReply,
            "The provider's answer was kept, but could not be read. The operator can read it again.",
            diagnostic: why ?? "longer than any token")
    }

    /// Tries as long as a refresh tries to store its answer: what a provider granted is worth it.
    private func persistently<Result: Sendable>(
        _ body: () async throws -> Result
    ) async throws -> Result {
        var tries = 0
        while true {
            do { return try await body() } catch let error as VaultError {
                guard let pause = RefreshAttempt.settlePause(after: error, tries: tries) else { throw error }
                await configuration.pause(pause)
                tries += 1
            }
        }
    }
}

/// A consent to ask for on another device (RFC 8628), if there is no browser that can return here.
public struct DeviceRequest: Sendable {
    /// The name of the provider in the vault.
    public var provider: String
    public var user: OwnerID
    /// Tells several connections of one user at one provider apart.
    public var label = ""
    /// Whether another account of the provider may replace the connected one.
    /// Without it such a consent is refused by ``KeeperError/Code/otherAccount``.
    public var replacesAccount = false
    /// The scope, names joined by single spaces; nil for the provider's default scope.
    public var scope: String?

    public init(provider: String, user: OwnerID) {
        self.provider = provider
        self.user = user
    }
}

/// A device flow that began: show the code and the address to the user, then ask with ``TokenKeeper/pollDevice(_:)``.
///
/// It lives in memory alone: after a restart the user begins again, and the old code ends by itself.
public struct BegunDevice: Sendable {
    /// The code that the user types.
    public let userCode: String
    /// The address at which the user types the code.
    public let verificationURI: String
    /// Address with the code in it, for a link or a QR code; nil if the provider gives none.
    public let verificationURIComplete: String?
    public let expiresAt: VaultInstant
    /// The shortest time until the next poll; the provider may raise it.
    public internal(set) var interval: Duration
    let deviceCode: SecretBytes
    let request: DeviceRequest
    let scope: String?
}

extension TokenKeeper {
    /// Begins a device flow (RFC 8628 section 3.1).
    ///
    /// - Throws: ``VaultError/Code/notFound`` (provider, user), ``VaultError/Code/denied`` (user), ``KeeperError``.
    public func beginDevice(_ request: DeviceRequest) async throws -> BegunDevice {
        let provider = try await knownProvider(named: request.provider)
        guard try await vault.users.find(request.user).state == .active else {
            throw VaultError(.denied, "The user is disabled.")
        }
        let scope = request.scope ?? provider.defaultScope
        guard let message = provider.dialect.deviceAuthorization(scope: scope) else {
            throw KeeperError(.notSupported, "This provider has no device flow.")
        }
        let reply: ProviderReply
        do throws(TransportFailure) { reply = try await send(message, to: provider) } catch {
            throw KeeperError.silent(error.cause.rawValue)
        }
        switch provider.dialect.readDeviceAuthorization(reply, at: clock.now()) {
        case .granted(let device):
            return BegunDevice(
                userCode: device.userCode, verificationURI: device.verificationURI,
                verificationURIComplete: device.verificationURIComplete, expiresAt: device.expiresAt,
                interval: device.interval, deviceCode: device.deviceCode, request: request, scope: scope)
        case .refused(let refusal): throw KeeperError(refusal)
        case .busy(_, let text), .ambiguous(let text), .unreadable(let text): throw KeeperError.silent(text)
        }
    }

    /// Asks once whether the user has consented (RFC 8628 section 3.4); the tokens are stored before this returns.
    ///
    /// - Returns: nil if not yet: wait ``BegunDevice/interval`` before the next poll.
    /// - Throws: ``KeeperError``: the user refused, the code has expired, the provider refuses; ``VaultError`` for a fault
    ///   of the vault.
    public func pollDevice(_ device: inout BegunDevice) async throws -> Connection? {
        guard clock.now() < device.expiresAt else { throw Self.late }
        let provider = try await knownProvider(named: device.request.provider)
        // The code may be spent by this: what comes is stored, whatever becomes of the caller.
        let (connection, asked) = try await undisturbed { [self, device] in
            var device = device
            return (try await poll(&device, provider), device)
        }
        device = asked
        return connection
    }

    private func poll(_ device: inout BegunDevice, _ provider: KnownProvider) async throws -> Connection? {
        let answer = await ask(
            provider, provider.dialect.deviceToken(deviceCode: device.deviceCode), sent: nil,
            alsoSent: [device.deviceCode])
        switch answer {
        case .reply(.granted(var granted), _) where granted.fitsOneRow:
            granted.scope = granted.scope ?? device.scope
            return try await store(
                granted, provider, device.request.user, label: device.request.label,
                replacesAccount: device.request.replacesAccount
            ).connection
        case .reply(.granted, let raw), .reply(.unreadable, let raw):
            throw try await keepUnread(
                raw, answer.diagnostic, provider, device.request.user, label: device.request.label,
                scope: device.scope)
        case .reply(.refused(let refusal), _):
            return try await proceed(after: refusal, &device)
        case .reply(.busy, _), .reply(.ambiguous, _), .failure:
            // Section 3.5: after a timeout "exponential backoff … is one possible approach". Had the lost answer held
            // tokens, the next one says so: the code is used.
            device.interval = min(device.interval * 2, .seconds(60))
            return nil
        }
    }

    private func proceed(
        after refusal: ProviderRefusal, _ device: inout BegunDevice
    ) async throws(KeeperError) -> Connection? {
        switch refusal.kind {
        case .pending: return nil
        case .slowDown:
            // "the interval MUST be increased by 5 seconds for this and all subsequent requests"
            device.interval += .seconds(5)
            return nil
        case .denied where refusal.code == "expired_token": throw Self.late
        case .denied:
            throw KeeperError(.accessDenied, "Access was not granted.", diagnostic: refusal.diagnostic)
        case .client, .clientOrToken, .grant, .request: throw KeeperError(refusal)
        }
    }

    private static let late = KeeperError(.refused, "The code was not entered in time. Begin again.")
}
