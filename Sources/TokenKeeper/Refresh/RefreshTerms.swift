package import TokenVault
package import VaultCore

/// What a provider's entry means for a refresh: what is sent, how an answer is settled, and whether a repeat is borne.
package struct RefreshTerms: Sendable {
    private let dialect: ProviderDialect
    private let schedule: RefreshSchedule
    private let holder: [UInt8]
    private let leaseSpan: Duration
    private let isForced: Bool
    private let spendsUncertain: Bool
    private let revision: Int64

    /// - Parameters:
    ///   - revision: of the provider that `dialect` was made from.
    ///   - isForced: also where the connection needs consent.
    ///   - spendsUncertain: repeat even where the provider would take it for theft; an operator's decision.
    package init(
        _ dialect: ProviderDialect, _ schedule: RefreshSchedule, revision: Int64, holder: [UInt8],
        leaseSpan: Duration,
        isForced: Bool = false, spendsUncertain: Bool = false
    ) {
        self.dialect = dialect
        self.schedule = schedule
        self.revision = revision
        self.holder = holder
        self.leaseSpan = leaseSpan
        self.isForced = isForced
        self.spendsUncertain = spendsUncertain
    }

    func lease(_ connection: ConnectionID, generation: Int64, failures: Int64) -> LeaseRequest {
        LeaseRequest(
            connection, generation: generation, failures: failures, holder: holder, span: leaseSpan,
            replay: spendsUncertain ? .always : dialect.provider.refresh.replay.allowance, isForced: isForced)
    }

    /// Whether a call that begins now ends before its lease does; a process may have been stopped in between.
    package func isInTime(_ held: HeldConnection, at monotonic: Duration, callTimeout: Duration) -> Bool {
        guard let lease = held.lease else { return false }
        return (monotonic + callTimeout).milliseconds <= lease.until
    }

    package func request(for held: HeldConnection) -> ProviderRequest? {
        guard held.connection.kind == .consent else {
            return dialect.clientCredentials(
                scope: held.connection.scope.isEmpty ? nil : held.connection.scope)
        }
        guard let pair = held.pair else { return nil }
        return dialect.refresh(refreshToken: pair.refreshToken, accessToken: pair.accessToken, scope: nil)
    }

    var nothingToRefresh: RefusedRefresh {
        RefusedRefresh("nothing-to-refresh", .needsConsent, revision: revision)
    }

    /// After no answer, whether the same worker asks again at once.
    var repeatsAtOnce: Bool {
        if case .never = dialect.provider.refresh.replay.allowance { false } else { true }
    }

    func settlement(of answer: ProviderAnswer, for held: HeldConnection, at now: VaultInstant) -> Settlement {
        let (outcome, dueAt) = outcome(of: answer, for: held, at: now)
        return Settlement(
            held.id, generation: held.generation, fence: held.fence, outcome, dueAt: dueAt)
    }

    private func outcome(
        of answer: ProviderAnswer, for held: HeldConnection, at now: VaultInstant
    ) -> (Settlement.Outcome, VaultInstant?) {
        let spread = UInt64(bitPattern: held.id.rawValue &+ held.fence &* 7919)
        func later(_ asked: Duration? = nil) -> VaultInstant {
            now.advanced(
                by: Backoff.delay(afterFailures: held.connection.failures, spread: spread, asked: asked))
        }
        switch answer {
        case .failure(.notSent(let cause)):
            return (.unsettled(reason: LeafReason.notSentPrefix + cause.rawValue, isSent: false), later())
        case .failure(.ambiguous(let cause)):
            return (.unsettled(reason: LeafReason.noAnswerPrefix + cause.rawValue, isSent: true), later())
        case .reply(.ambiguous, _):
            return (.unsettled(reason: LeafReason.noAnswerPrefix + "gateway", isSent: true), later())
        case .reply(.busy(let retryAfter, _), _):
            return (.unsettled(reason: LeafReason.busy, isSent: false), later(retryAfter))
        case .reply(.unreadable, let raw):
            return (.unreadable(worthier(of: held.reply, raw)), later())
        case .reply(.refused(let refusal), _):
            let delay = Backoff.delay(
                afterRefusals: held.connection.refusal?.count ?? 0,
                isFailing: held.connection.state == .failing, spread: spread)
            return (.refused(self.refused(refusal, for: held)), now.advanced(by: delay))
        case .reply(.granted(let granted), let raw):
            guard granted.fitsOneRow else { return (.unreadable(raw), later()) }
            let tokens = granted.limited(by: schedule.rules, at: now)
            let due = schedule.dueAt(
                issued: now, accessEnd: tokens.accessExpiresAt, refreshEnd: tokens.refreshExpiresAt,
                spread: UInt64(bitPattern: held.id.rawValue),
                previousEnd: held.connection.accessExpiresAt,
                previousRefreshEnd: held.connection.refreshExpiresAt)
            return (.tokens(tokens), due)
        }
    }

    /// Of two replies that cannot be read the one to keep: a page about maintenance is not worth one that names a token.
    private func worthier(of old: SecretBytes?, _ new: SecretBytes) -> SecretBytes {
        guard let old, namesToken(old), !namesToken(new) else { return new }
        return old
    }

    private func namesToken(_ reply: SecretBytes) -> Bool {
        let names = dialect.provider.replies.accessToken.compactMap { $0.split(separator: ".").last }
        return reply.withExposed { bytes in names.contains { bytes.firstRange(of: Array($0.utf8)) != nil } }
    }

    private func refused(_ refusal: ProviderRefusal, for held: HeldConnection) -> RefusedRefresh {
        let meaning: RefusedRefresh.Meaning =
            switch refusal.kind {
            case .grant: .needsConsent
            case .client: .client
            case .clientOrToken: .clientOrToken
            case .pending, .slowDown, .denied, .request: .request
            }
        // Refused on a repeat: the first answer is the one that was lost.
        let isLost = refusal.code == "invalid_grant" && (held.attempt?.sends ?? 1) > 1
        return RefusedRefresh(
            isLost ? "lost-response" : refusal.reason, meaning, words: refusal.diagnostic, revision: revision)
    }
}

extension Provider.ReplayPolicy {
    /// Whether a refresh token goes out again after a send whose outcome is not known. Where a repeat is
    /// merely refused nothing is lost by trying: the first send may not have arrived. Where it is answered
    /// until the new tokens are used, it is answered: ours never were.
    package var allowance: ReplayAllowance {
        switch self {
        case .tolerated, .rejected, .untilFirstUse(nil): .always
        case .within(let window), .untilFirstUse(.some(let window)): .within(window)
        case .revokes: .never
        }
    }
}

extension NewTokens {
    /// With the end that the entry knows for a refresh token: one that came or was just used lives on from now.
    package func limited(by rules: Provider.ExpiryRules, at now: VaultInstant) -> NewTokens {
        var tokens = self
        tokens.refreshExpiresAt = refreshExpiresAt ?? rules.refreshIdle.map { now.advanced(by: $0) }
        return tokens
    }

    /// Both tokens together in one sealed field, with room for their lengths.
    package var fitsOneRow: Bool {
        let count = accessToken.withExposed(\.count) + (refreshToken?.withExposed(\.count) ?? 0)
        return count <= Limits.sealedFieldBytes - 64
    }
}

extension ProviderRefusal {
    /// Its code in the spelling of the log's reasons.
    fileprivate var reason: String { code.replacing("_", with: "-") }
}
