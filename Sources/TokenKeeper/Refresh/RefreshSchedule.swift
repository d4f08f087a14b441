package import TokenVault
package import VaultCore

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

    /// As much of `span` as a token of this connection's life can give: whoever asks for more would have it refreshed at
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
        // A token that lives for seconds is refreshed by whoever needs it.
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

    /// Between two refreshes of one connection that nobody waits for.
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

    /// After refusals, which time alone seldom heals: 1 s, doubled up to an hour, and for a connection that
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
