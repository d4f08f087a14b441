import TokenVault
public import VaultCore

/// Tokens that another program obtained, to be imported.
public struct ImportedTokens: Sendable {
    /// The access token; nil if the first one comes with the first refresh.
    public var accessToken: SecretBytes?
    public var refreshToken: SecretBytes?
    /// The time it expires; nil if not known: it is refreshed at once if there is a refresh token.
    public var accessExpiresAt: VaultInstant?
    /// When the refresh token ends unless it is used before; nil: not known, and the idle limit of the provider's entry,
    /// if it has one, is counted from now.
    public var refreshExpiresAt: VaultInstant?
    public var scope = ""
    public var metadata: [String: String] = [:]

    public init(accessToken: SecretBytes?, refreshToken: SecretBytes?) {
        self.accessToken = accessToken
        self.refreshToken = refreshToken
    }
}

extension TokenKeeper {
    /// Imports tokens that another program obtained. The connection is unverified, and refreshed when its token is
    /// needed: its previous holder may still use it. A refresh token that would end of not being used is used
    /// in time by a ``KeeperService``.
    ///
    /// - Throws: ``VaultError/Code/invalidInput``, ``VaultError/Code/notFound``, ``VaultError/Code/denied``.
    public func `import`(
        _ imported: ImportedTokens, provider name: String, user: OwnerID, label: String = ""
    ) async throws -> Connection {
        let provider = try await knownProvider(named: name)
        guard imported.accessToken != nil || imported.refreshToken != nil else {
            throw VaultError(.invalidInput, "There is no token to import.")
        }
        for (token, isToken) in [
            (imported.accessToken, NewTokens.isAccessToken),
            (imported.refreshToken, NewTokens.isToken),
        ] {
            guard token?.withExposed(isToken) ?? true else {
                throw VaultError(
                    .invalidInput,
                    "A token has 1 to \(NewTokens.tokenBytes) printable ASCII characters, an access token no spaces, quotes or brackets.",
                    remedy: "Check the file for an end of line.")
            }
        }
        if let known = try await vault.connection(at: provider.id, of: user, label: label),
            known.state == .live || known.state == .revoking
        {
            throw VaultError(
                .alreadyExists, "The user already has this connection, and its tokens would be lost.",
                remedy: "Give another label, or revoke the connection first.")
        }
        let now = clock.now()
        var tokens = NewTokens(accessToken: imported.accessToken ?? SecretBytes([]))
        tokens.refreshToken = imported.refreshToken
        guard tokens.fitsOneRow else {
            throw VaultError(
                .invalidInput, "The two tokens together are too long for a connection.")
        }
        tokens.scope = imported.scope
        tokens.metadata = imported.metadata
        tokens.accessExpiresAt = imported.accessExpiresAt ?? (imported.refreshToken == nil ? nil : now)
        if imported.refreshToken != nil {
            let idle = provider.provider.expiry.refreshIdle.map { now.advanced(by: $0) }
            tokens.refreshExpiresAt = imported.refreshExpiresAt ?? idle
        }
        // Not for its access token: only its refresh token is kept alive before anybody asks.
        let due = schedule(provider).dueAt(
            issued: now, accessEnd: nil, refreshEnd: tokens.refreshExpiresAt,
            spread: UInt64(bitPattern: now.millisecondsSince1970))
        let grant = ConnectionGrant(
            provider.id, user, label: label, tokens: tokens, isVerified: false, dueAt: due)
        let held = try await vault.storeConnection(grant)
        self.tokens.forget(held.id)
        return held.connection
    }

    /// The connection for tokens of our own at a provider (RFC 6749 section 4.4), made if it is missing
    /// yet. Ask it for tokens by ``accessToken(for:validFor:)`` like any other.
    public func clientConnection(at name: String, scope: String? = nil, label: String = "") async throws
        -> Connection
    {
        let provider = try await knownProvider(named: name)
        if let known = try await vault.connection(at: provider.id, of: .system, label: label),
            known.state.isRefreshed
        {
            return known
        }
        var grant = ConnectionGrant(provider.id, .system, label: label, kind: .clientCredentials)
        grant.scope = scope ?? provider.defaultScope ?? ""
        return try await vault.storeConnection(grant).connection
    }

    /// Returns the connection of a user at a provider; nil if not connected.
    public func connection(at name: String, of user: OwnerID, label: String = "") async throws -> Connection?
    {
        let provider = try await knownProvider(named: name)
        return try await vault.connection(at: provider.id, of: user, label: label)
    }

    /// Refreshes a connection now, due or not.
    ///
    /// - Parameter spendsUncertain: send the refresh token again although an answer was lost and the provider takes a
    ///   repeat for theft: either it was never used and the connection recovers, or the grant ends for good.
    public func refresh(_ id: ConnectionID, spendsUncertain: Bool = false) async throws -> AccessTokenAnswer {
        tokens.forget(id)
        let held = try await vault.heldConnection(id)
        let provider = try await knownProvider(of: held.connection)
        try Self.admit(held)
        guard held.connection.state.isRefreshed || held.connection.state == .needsConsent else {
            return .needsConsent(ConsentNeed(held.connection))
        }
        if let pause = stopPause(provider) { return pause }
        let outcome = await refresh(
            held, provider, isForced: true, spendsUncertain: spendsUncertain)
        return try await judge(outcome, provider)
    }

    /// Reads a kept reply again, with what this version knows.
    ///
    /// - Returns: the connection with the tokens that were in it; nil if it still cannot be read.
    /// - Throws: ``VaultError/Code/notFound`` also where no reply is kept.
    public func replayReply(of id: ConnectionID) async throws -> Connection? {
        let held = try await vault.heldConnection(id)
        guard held.reply != nil else {
            throw VaultError(.notFound, "No reply is kept with this connection.")
        }
        let provider = try await knownProvider(of: held.connection)
        switch await readKeptReply(of: held, provider) {
        case .refreshed(let held), .current(let held): return held.connection
        case .storage(let error): throw error
        case nil, .refused, .failed: return nil
        }
    }

    /// Ends a connection here at once and at the provider (RFC 7009) as soon as it answers: a ``KeeperService`` tries
    /// until it does.
    public func revoke(_ id: ConnectionID) async throws -> Connection {
        let held = try await vault.heldConnection(id)
        // An entry that cannot be read now may be readable when a service comes to it.
        let provider = try? await knownProvider(of: held.connection)
        defer { tokens.forget(id) }
        return try await vault.revokeConnection(
            id, isKnownThere: provider.map { $0.provider.endpoints.revocation != nil } ?? true)
    }

    /// Asks the provider to revoke a connection that was given up, once.
    ///
    /// - Returns: whether that is settled now.
    package func revokeThere(_ held: HeldConnection, _ provider: KnownProvider) async throws -> Bool {
        let token = held.pair.map { $0.refreshToken ?? $0.accessToken }
        let hint: TokenHint = held.pair?.refreshToken == nil ? .accessToken : .refreshToken
        guard let token, let request = provider.dialect.revocation(token, hint: hint) else {
            try await vault.settleRevocation(
                held.id, generation: held.generation, reason: "ended-here", retryAt: nil)
            return true
        }
        let now = clock.now()
        let retry = now.advanced(
            by: Backoff.delay(
                afterFailures: held.connection.failures, spread: UInt64(bitPattern: held.id.rawValue),
                asked: nil))
        let reason: String
        switch await revocationReading(request, held, provider) {
        // RFC 7009 section 2.2: 200 also for a token the server does not know.
        case .granted: reason = "revoked-there"
        // What it cannot do it cannot do tomorrow either; other refusals may be put right, for a while.
        case .refused(let refusal)
        where refusal.code == "unsupported_token_type" || refusal.kind == .grant
            || held.connection.failures >= Self.revocationTries:
            reason = "refused-there"
        default:
            try await vault.settleRevocation(
                held.id, generation: held.generation, reason: "no-answer", retryAt: retry)
            return false
        }
        try await vault.settleRevocation(
            held.id, generation: held.generation, reason: reason, retryAt: nil)
        return true
    }

    /// Refused ones; those without an answer are repeated for as long as it takes.
    private static let revocationTries = 12

    private func revocationReading(
        _ request: ProviderRequest, _ held: HeldConnection, _ provider: KnownProvider
    ) async -> ReplyReading<Void>? {
        guard let reply = try? await send(request, to: provider) else { return nil }
        let sent = [held.pair?.accessToken, held.pair?.refreshToken].compactMap { $0 }
        return provider.dialect.readRevocation(reply, at: clock.now(), sent: sent)
    }

    /// Removes a connection and destroys its tokens; revoke it first to end them at the provider, too.
    ///
    /// - Throws: ``VaultError/Code/busy`` while a refresh of it is in flight.
    public func remove(_ id: ConnectionID) async throws {
        defer { tokens.forget(id) }
        try await vault.removeConnection(id)
    }
}
