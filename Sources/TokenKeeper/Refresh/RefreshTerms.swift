import TokenVault
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
    package func isInTime(_ held: HeldConnection, at now: ClockReading, callTimeout: Duration) -> Bool {
        held.lease?.until.milliseconds(since: now.advanced(by: callTimeout)).map { $0 >= 0 } ?? false
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

/// When a connection is refreshed ahead of need: pure, from what is known of its tokens.
///
/// ```
///  issued                     refreshed from here on      expires
///    |────────────────────────────────|─────────────────────|
///                                     └ margin = min(configured, a quarter of the life, what the provider allows)
/// ```
package struct RefreshSchedule: Sendable {
    /// Upper end of the margin; short-lived tokens get less.
    package var margin: Duration
    package var rules: Provider.ExpiryRules

    package init(margin: Duration, rules: Provider.ExpiryRules) {
        self.margin = margin
        self.rules = rules
    }

    /// How long before its end a token of this life is refreshed.
    package func margin(ofLife life: Duration) -> Duration {
        var margin = min(self.margin, life / 4)
        if let earliest = rules.earliestRefresh { margin = min(margin, earliest) }
        return max(margin, .zero)
    }

    /// As much of `span` as a token of this connection's life can give: a longer span would have it refreshed at
    /// every call.
    package func attainable(_ span: Duration, _ connection: Connection) -> Duration {
        guard let end = connection.accessExpiresAt, let issued = connection.issuedAt else { return span }
        let life = end.elapsed(since: issued)
        return min(span, max(.zero, life - margin(ofLife: life)))
    }

    /// The first moment at which the access token counts as stale; nil: it never does.
    package func staleAt(_ connection: Connection) -> VaultInstant? {
        guard let end = connection.accessExpiresAt else { return nil }
        let life = end.elapsed(since: connection.issuedAt ?? end)
        return end.advanced(by: .zero - margin(ofLife: life))
    }

    /// When a service refreshes next. The earlier of: the access token grows stale, the refresh token would
    /// die of not being used. Spread over a half margin by the connection's number, so that what was
    /// connected together is not refreshed together.
    ///
    /// - Parameters:
    ///   - issued: now.
    ///   - spread: any number; equal ones give equal times.
    ///   - previousEnd: of the access token before. A refresh that gained nothing waits a while for the next.
    ///   - previousRefreshEnd: of the refresh token before.
    package func dueAt(
        issued: VaultInstant, accessEnd: VaultInstant?, refreshEnd: VaultInstant?, spread: UInt64,
        previousEnd: VaultInstant? = nil, previousRefreshEnd: VaultInstant? = nil
    ) -> VaultInstant? {
        var due: [VaultInstant] = []
        // A token that lives for seconds is refreshed by anyone who needs it.
        if let accessEnd, accessEnd.elapsed(since: issued) >= Self.leastLife || accessEnd <= issued {
            let life = accessEnd.elapsed(since: issued)
            let margin = margin(ofLife: life)
            let jitter = rules.earliestRefresh == nil ? Self.share(of: margin / 2, spread) : .zero
            due.append(accessEnd.advanced(by: .zero - margin - jitter))
        }
        // An end that does not move is met sooner or later, however often the token is used.
        if let refreshEnd, refreshEnd > previousRefreshEnd ?? VaultInstant(millisecondsSince1970: .min) {
            let life = refreshEnd.elapsed(since: issued)
            let margin = min(life / 4, .seconds(86400))
            due.append(refreshEnd.advanced(by: .zero - margin - Self.share(of: margin, spread)))
        }
        guard let first = due.min() else { return nil }
        let hasGained = accessEnd.map { $0 > issued && $0 > previousEnd ?? issued } ?? true
        return max(first, issued.advanced(by: hasGained ? Self.leastPause : Self.pauseWithoutGain))
    }

    /// Between two background refreshes of one connection.
    private static let leastLife = Duration.seconds(3)
    private static let leastPause = Duration.seconds(1)
    private static let pauseWithoutGain = Duration.seconds(60)

    private static func share(of span: Duration, _ spread: UInt64) -> Duration {
        .milliseconds(span.milliseconds * Int64(Self.scattered(spread) % 1000) / 1000)
    }

    /// SplitMix64's finisher: neighbours end up far apart.
    private static func scattered(_ number: UInt64) -> UInt64 {
        var mixed = number &+ 0x9E37_79B9_7F4A_7C15
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// How long to wait after failures in a row.
package enum Backoff {
    private static let day = Duration.seconds(86400)

    /// 1 s, doubled with each failure up to 5 minutes, and up to half of that more, so that workers do not come back
    /// together; at least what the provider asked for.
    package static func delay(afterFailures failures: Int64, spread: UInt64, asked: Duration?) -> Duration {
        max(doubled(failures, upTo: .seconds(300), spread), min(asked ?? .zero, day))
    }

    /// After refusals, which seldom end by themselves: 1 s, doubled up to an hour, and for a connection that
    /// is failing up to a day, and up to half of that more. A refusal that does pass is found out in as much
    /// time as it has lasted.
    package static func delay(afterRefusals refusals: Int64, isFailing: Bool, spread: UInt64) -> Duration {
        min(doubled(refusals, upTo: isFailing ? day : .seconds(3600), spread), day)
    }

    private static func doubled(_ times: Int64, upTo longest: Duration, _ spread: UInt64) -> Duration {
        let bounded = min(Duration.seconds(1 << min(max(times, 0), 17)), longest)
        return bounded + .milliseconds(bounded.milliseconds * Int64(spread % 500) / 1000)
    }
}
