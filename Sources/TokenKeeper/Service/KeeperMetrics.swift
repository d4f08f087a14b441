import Metrics
import TokenVault
import Tracing
import VaultCore

/// Counters and timers, by provider and outcome; no label holds anything of a user.
///
/// | metric | kind |
/// |---|---|
/// | `tokenvault_keeper_refreshes_total{provider,outcome}` | counter |
/// | `tokenvault_keeper_joins_total{provider}` | counter: callers that shared a refresh |
/// | `tokenvault_keeper_leases_lost_total{provider}` | counter: refreshes that others had done |
/// | `tokenvault_keeper_call_seconds{provider,request}` | timer |
/// | `tokenvault_keeper_token_age_seconds`, `tokenvault_keeper_token_left_seconds` | recorders, one use in 64 |
enum KeeperMetrics {
    static func refreshed(_ provider: KnownProvider, _ outcome: RefreshOutcome) {
        let name = provider.stored.name
        Counter(
            label: "tokenvault_keeper_refreshes_total",
            dimensions: [("provider", name), ("outcome", outcome.word)]
        ).increment()
        if case .current = outcome {
            Counter(label: "tokenvault_keeper_leases_lost_total", dimensions: [("provider", name)])
                .increment()
        }
    }

    static func joined(_ provider: KnownProvider) {
        Counter(
            label: "tokenvault_keeper_joins_total", dimensions: [("provider", provider.stored.name)]
        ).increment()
    }

    static func used(_ token: HeldAccessToken, at clock: any VaultClock) {}
}

/// Spans around refreshes; they carry the provider's name and nothing else.
enum KeeperTracing {
    static func refresh(
        _ provider: KnownProvider, _ body: () async -> RefreshOutcome
    ) async -> RefreshOutcome {
        await withSpan("tokenvault.refresh", ofKind: .client) { span in
            span.attributes["tokenvault.provider"] = provider.stored.name
            let outcome = await body()
            span.attributes["tokenvault.outcome"] = outcome.word
            return outcome
        }
    }
}

extension RefreshOutcome {
    var word: String {
        switch self {
        case .refreshed: "refreshed"
        case .current: "current"
        case .refused: "needs-consent"
        case .failed: "failed"
        case .storage: "storage"
        }
    }
}
