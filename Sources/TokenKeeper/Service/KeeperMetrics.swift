import Metrics
import Synchronization
import TokenVault
import Tracing
import VaultCore

/// Counters and timers, by provider and outcome; no label holds anything of a user.
///
/// | metric | kind |
/// |---|---|
/// | `tokenvault_keeper_refreshes_total{provider,outcome}` | counter |
/// | `tokenvault_keeper_joins_total{provider}` | counter: callers that shared a refresh |
/// | `tokenvault_keeper_leases_lost_total{provider}` | counter: refreshes whose answer came after others had settled |
/// | `tokenvault_keeper_call_seconds{provider,request}` | timer |
/// | `tokenvault_keeper_token_age_seconds`, `tokenvault_keeper_token_left_seconds` | recorders, one use in 64 |
/// | `tokenvault_keeper_webhooks_total{outcome}` | counter: what webhooks said, `delivered` or `failed` |
///
/// A program sets its metrics system up before it makes a keeper.
final class KeeperMetrics: Sendable {
    private let factory: any MetricsFactory
    private let uses = Atomic<UInt32>(0)
    private let age: Recorder
    private let left: Recorder
    /// Made once: what is behind them may be dear to make.
    private let known = Mutex(Known())

    private struct Known {
        var counters: [Series: Counter] = [:]
        var timers: [Series: Timer] = [:]
    }

    private struct Series: Hashable {
        let label: String
        let provider: String
        let word: String
    }

    /// - Parameter factory: nil: the one of the program.
    init(_ factory: (any MetricsFactory)?) {
        let factory = factory ?? MetricsSystem.factory
        self.factory = factory
        age = Recorder(label: "tokenvault_keeper_token_age_seconds", factory: factory)
        left = Recorder(label: "tokenvault_keeper_token_left_seconds", factory: factory)
    }

    func refreshed(_ provider: KnownProvider, _ outcome: RefreshOutcome) {
        count("tokenvault_keeper_refreshes_total", provider.stored.name, "outcome", outcome.word)
    }

    func joined(_ provider: KnownProvider) { count("tokenvault_keeper_joins_total", provider.stored.name) }

    func lostLease(_ provider: KnownProvider) {
        count("tokenvault_keeper_leases_lost_total", provider.stored.name)
    }

    func called(_ provider: KnownProvider, _ purpose: ProviderRequest.Purpose, taking duration: Duration) {
        timer("tokenvault_keeper_call_seconds", provider.stored.name, purpose.rawValue)
            .record(duration: duration)
    }

    func toldWebhook(isDelivered: Bool) {
        count("tokenvault_keeper_webhooks_total", nil, "outcome", isDelivered ? "delivered" : "failed")
    }

    /// Asked 200,000 times a second: one number goes up, the rest is done once in 64 times.
    func used(_ token: HeldAccessToken, at clock: any VaultClock) {
        guard uses.wrappingAdd(1, ordering: .relaxed).oldValue % 64 == 0 else { return }
        let now = clock.now()
        if let issuedAt = token.issuedAt { age.record(now.elapsed(since: issuedAt).seconds) }
        if let expiresAt = token.expiresAt { left.record(expiresAt.elapsed(since: now).seconds) }
    }

    private func count(_ label: String, _ provider: String?, _ name: String = "", _ word: String = "") {
        let series = Series(label: label, provider: provider ?? "", word: word)
        let counter = known.withLock { known in
            if let counter = known.counters[series] { return counter }
            let dimensions = [("provider", provider), (name, word)].compactMap { name, value in
                value.flatMap { $0.isEmpty ? nil : (name, $0) }
            }
            let counter = Counter(label: label, dimensions: dimensions, factory: factory)
            known.counters[series] = counter
            return counter
        }
        counter.increment()
    }

    private func timer(_ label: String, _ provider: String, _ request: String) -> Timer {
        let series = Series(label: label, provider: provider, word: request)
        return known.withLock { known in
            if let timer = known.timers[series] { return timer }
            let timer = Timer(
                label: label, dimensions: [("provider", provider), ("request", request)], factory: factory)
            known.timers[series] = timer
            return timer
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

extension Duration {
    fileprivate var seconds: Double { Double(milliseconds) / 1000 }
}

/// Spans around refreshes and around calls to providers: they carry the provider's name, what for and how it ended, and
/// nothing that came from a user or a provider.
extension TokenKeeper {
    func tracedRefresh(
        of provider: KnownProvider, _ body: () async -> RefreshOutcome
    ) async -> RefreshOutcome {
        await tracer.withAnySpan("tokenvault.refresh", ofKind: .internal) { span in
            span.attributes["tokenvault.provider"] = provider.stored.name
            let outcome = await body()
            span.attributes["tokenvault.outcome"] = outcome.word
            return outcome
        }
    }

    func tracedCall(
        to provider: KnownProvider, _ purpose: ProviderRequest.Purpose,
        _ body: () async throws(TransportFailure) -> ProviderReply
    ) async throws(TransportFailure) -> ProviderReply {
        let result: Result<ProviderReply, TransportFailure> = await tracer.withAnySpan(
            "tokenvault.call", ofKind: .client
        ) { span in
            span.attributes["tokenvault.provider"] = provider.stored.name
            span.attributes["tokenvault.request"] = purpose.rawValue
            do throws(TransportFailure) {
                let reply = try await body()
                span.attributes["http.response.status_code"] = reply.status
                return .success(reply)
            } catch {
                span.attributes["error.type"] = error.cause.rawValue
                span.setStatus(SpanStatus(code: .error))
                return .failure(error)
            }
        }
        return try result.get()
    }
}
