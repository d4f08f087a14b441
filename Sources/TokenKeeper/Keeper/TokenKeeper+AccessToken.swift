import TokenVault
public import VaultCore

extension TokenKeeper {
    /// Returns a token that is valid for at least `span`, after a refresh if needed.
    ///
    /// A valid token costs no lock and no write. One that is alive but about to expire is returned at once and refreshed
    /// behind. Callers that need a refresh at the same time share one, in this process and in others. A fresh token is
    /// returned even where the provider gives it a shorter life than `span`.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/denied`` for a user who is disabled,
    ///   ``VaultError/Code/integrity`` for an edited row.
    public func accessToken(
        for id: ConnectionID, validFor span: Duration = .seconds(60)
    ) async throws -> AccessTokenAnswer {
        if let token = tokens.token(id, validFor: span, clock) {
            metrics.used(token, at: clock)
            return .ready(token)
        }
        return try await orLater {
            let held = try await vault.heldConnection(id)
            let provider = try await knownProvider(of: held.connection)
            return try await answer(held, provider, validFor: span)
        }
    }

    /// Returns another token after the API refused one: refreshes once if that token is still the current one.
    ///
    /// - Parameter generation: of the token that was refused.
    public func replacement(
        forRefused generation: Int64, of id: ConnectionID, validFor span: Duration = .zero
    ) async throws -> AccessTokenAnswer {
        tokens.forget(id)
        return try await orLater {
            let held = try await vault.heldConnection(id)
            let provider = try await knownProvider(of: held.connection)
            let age = clock.now().elapsed(since: held.connection.issuedAt ?? clock.now())
            let canRefresh = provider.dialect.canRefresh(held)
            // An API that refuses a token this new refuses the next one too.
            guard held.generation == generation, held.connection.state.isRefreshed, canRefresh,
                age >= Self.leastAgeToReplace
            else { return try await answer(held, provider, validFor: span) }
            try Self.admit(held)
            if let pause = try restPause(held, provider) { return pause }
            return try await judge(refresh(held, provider), provider)
        }
    }

    private static let leastAgeToReplace = Duration.seconds(10)

    /// Storage trouble is a reason to come back, like a provider's.
    private func orLater(
        _ body: () async throws -> AccessTokenAnswer
    ) async throws -> AccessTokenAnswer {
        do { return try await body() } catch let error as VaultError where error.isTransient {
            return .unavailable(retryAfter: .seconds(1), .vault)
        }
    }

    static func admit(_ held: HeldConnection) throws {
        guard held.isOwnerActive else {
            throw VaultError(.denied, "The user of this connection is disabled or was removed.")
        }
    }

    private func answer(
        _ held: HeldConnection, _ provider: KnownProvider, validFor span: Duration
    ) async throws -> AccessTokenAnswer {
        try Self.admit(held)
        let connection = held.connection
        if connection.state == .revoking || connection.state == .revoked {
            return .needsConsent(ConsentNeed(connection))
        }
        let now = clock.now()
        let schedule = schedule(provider)
        if let token = HeldAccessToken(held, provider),
            token.isAlive(at: now, for: schedule.attainable(span, connection))
        {
            // Issued in the future: the clock was set back, and what it says of the end is worth nothing.
            let isOdd = connection.issuedAt.map { $0 > now.advanced(by: .seconds(60)) } ?? false
            let staleAt = isOdd ? now : schedule.staleAt(connection)
            keep(token, held, staleAt: staleAt)
            if let staleAt, now >= staleAt, connection.state.isRefreshed,
                try restPause(held, provider) == nil
            {
                refreshBehind(held, provider)
            }
            metrics.used(token, at: clock)
            return .ready(token)
        }
        guard connection.state.isRefreshed else { return .needsConsent(ConsentNeed(connection)) }
        if let pause = try restPause(held, provider) { return pause }
        return try await judge(refresh(held, provider), provider)
    }

    /// While a provider is stopped, or asked for a pause, it is not called.
    private func restPause(_ held: HeldConnection, _ provider: KnownProvider) throws -> AccessTokenAnswer? {
        if let pause = stopPause(provider) { return pause }
        guard held.connection.failures > 0, held.lease == nil, let due = held.connection.dueAt,
            due > clock.now()
        else { return nil }
        // What was refused before the provider was changed is worth a try with what it is now.
        if let refusal = held.connection.refusal, refusal.revision != provider.stored.revision,
            !LeafReason.isOutage(held.connection.reason)
        {
            return nil
        }
        // No pause is longer than a day, unless the clock was set back since.
        let wait = due.elapsed(since: clock.now())
        guard wait <= .seconds(86400 * 3 / 2) else { return nil }
        return .unavailable(retryAfter: wait, UnavailableReason(held.connection))
    }

    /// Nil: the provider may be called; a stopped one once in a while, to see.
    func stopPause(_ provider: KnownProvider) -> AccessTokenAnswer? {
        guard provider.isStopped, let wait = provider.stored.probeWait(at: clock.now()) else { return nil }
        return .unavailable(retryAfter: max(wait, .seconds(1)), .providerStopped)
    }

    func judge(_ outcome: RefreshOutcome, _ provider: KnownProvider) async throws -> AccessTokenAnswer {
        switch outcome {
        case .refreshed(let held), .current(let held):
            try Self.admit(held)
            let isRefreshed = held.connection.state.isRefreshed
            guard isRefreshed || held.connection.state == .needsConsent,
                let token = HeldAccessToken(held, provider), token.isAlive(at: clock.now(), for: .zero)
            else {
                guard isRefreshed else {
                    return .needsConsent(ConsentNeed(held.connection))
                }
                return .unavailable(retryAfter: .seconds(1), .provider)
            }
            keep(token, held, staleAt: schedule(provider).staleAt(held.connection))
            metrics.used(token, at: clock)
            return .ready(token)
        case .refused(let held):
            tokens.forget(held.id)
            return .needsConsent(ConsentNeed(held.connection))
        case .failed(let held):
            let wait = held.connection.dueAt.map { $0.elapsed(since: clock.now()) } ?? .zero
            let isStopped = try await knownProvider(provider.id).isStopped
            return .unavailable(
                retryAfter: max(wait, .seconds(1)),
                isStopped ? .providerStopped : UnavailableReason(held.connection))
        case .storage(let error):
            guard error.isTransient else { throw error }
            return .unavailable(retryAfter: .seconds(1), .vault)
        }
    }

    private func keep(_ token: HeldAccessToken, _ held: HeldConnection, staleAt: VaultInstant?) {
        guard held.connection.state == .live else { return }
        tokens.keep(
            held.id,
            KnownTokens.Entry(
                token: token, staleAt: token.expiresAt == nil ? nil : staleAt, lookedAt: clock.monotonic()))
    }
}

extension HeldAccessToken {
    init?(_ held: HeldConnection, _ provider: KnownProvider) {
        guard let pair = held.pair else { return nil }
        // An import may bring a refresh token alone.
        guard pair.accessToken.withExposed({ !$0.isEmpty }) else { return nil }
        token = pair.accessToken
        expiresAt = held.connection.accessExpiresAt
        issuedAt = held.connection.issuedAt
        generation = held.generation
        scope = held.connection.scope
        placement = provider.provider.accessToken
        metadata = held.connection.metadata
    }

    func isAlive(at now: VaultInstant, for span: Duration) -> Bool {
        guard let expiresAt else { return true }
        return now < expiresAt && now.advanced(by: span) <= expiresAt
    }
}

extension UnavailableReason {
    /// The reason of a connection whose last refresh got nothing.
    fileprivate init(_ connection: Connection) {
        self =
            connection.hasUnreadReply
            ? .unreadableReply
            : connection.refusal == nil || LeafReason.isOutage(connection.reason) ? .provider : .refused
    }
}

extension ConsentNeed {
    init(_ connection: Connection) {
        self.connection = connection.id
        provider = connection.provider
        let isRevoked = connection.state == .revoking || connection.state == .revoked
        reason = isRevoked ? .revoked : connection.reason.flatMap(Reason.init(leaf:)) ?? .refused
    }
}

extension ConsentNeed.Reason {
    /// Nil for what a provider said.
    fileprivate init?(leaf reason: String) {
        self.init(rawValue: reason.hasPrefix(Self.restored.rawValue + "-") ? Self.restored.rawValue : reason)
    }
}

extension ProviderDialect {
    /// Whether there is anything to refresh a connection with.
    func canRefresh(_ held: HeldConnection) -> Bool {
        guard held.connection.kind == .consent else { return true }
        guard let pair = held.pair else { return false }
        return refresh(refreshToken: pair.refreshToken, accessToken: pair.accessToken, scope: nil) != nil
    }
}
