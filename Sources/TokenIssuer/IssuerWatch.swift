import Metrics
import Synchronization
import TokenVault
import Tracing
import VaultCore

/// Counts and traces token requests for the program that the issuer is in; no label and no attribute comes from a client.
///
/// | metric | kind |
/// |---|---|
/// | `tokenvault_issuer_exchanges_total{grant_type,outcome}` | counter: `issued`, `replayed`, or the error of the refusal |
/// | `tokenvault_issuer_exchange_seconds{grant_type}` | timer: to the durable answer |
///
/// The span of a request is `tokenvault.token`, with `tokenvault.grant_type`, `tokenvault.outcome`, `tokenvault.request_id` as
/// in the audit log, and `error.type` where it was refused.
///
/// A program sets its metrics and tracing systems up before it makes an issuer.
final class IssuerWatch: Sendable {
    private let tracer: any Tracer
    private let factory: any MetricsFactory
    /// Made once: what is behind them may be dear to make.
    private let timers: [GrantType: Timer]
    private let counters = Mutex<[Series: Counter]>([:])

    private struct Series: Hashable {
        let grantType: GrantType
        let outcome: String
    }

    /// Nil where the program has set up neither: a request costs nothing then.
    ///
    /// - Parameters: nil: what the program has set up.
    init?(_ tracer: (any Tracer)?, _ factory: (any MetricsFactory)?) {
        let (tracer, factory) = (tracer ?? InstrumentationSystem.tracer, factory ?? MetricsSystem.factory)
        guard !(tracer is NoOpTracer && factory is NOOPMetricsHandler) else { return nil }
        self.tracer = tracer
        self.factory = factory
        timers = Dictionary(
            uniqueKeysWithValues: GrantType.allCases.map {
                let dimensions = [("grant_type", $0.rawValue)]
                return (
                    $0,
                    Timer(
                        label: "tokenvault_issuer_exchange_seconds", dimensions: dimensions,
                        factory: factory)
                )
            })
    }

    /// Answers a request by `issuer`, which is not watched itself.
    func token(_ request: TokenRequest, by issuer: TokenIssuer) async throws(OAuthError) -> TokenResponse {
        let grantType = request.grant.type
        let start = ContinuousClock.now
        let result: Result<TokenResponse, OAuthError> = await tracer.withAnySpan(
            "tokenvault.token", ofKind: .internal
        ) { span in
            span.attributes["tokenvault.grant_type"] = grantType.rawValue
            if let id = request.origin.requestID { span.attributes["tokenvault.request_id"] = id }
            do throws(OAuthError) {
                let response = try await issuer.token(request)
                span.attributes["tokenvault.outcome"] = response.outcome
                return .success(response)
            } catch {
                span.attributes["tokenvault.outcome"] = "refused"
                span.attributes["error.type"] = error.code.rawValue
                // Of a refusal the client is the cause.
                if error.status >= 500 { span.setStatus(SpanStatus(code: .error)) }
                return .failure(error)
            }
        }
        timers[grantType]?.record(duration: start.duration(to: .now))
        switch result {
        case .success(let response): count(grantType, response.outcome)
        case .failure(let error): count(grantType, error.code.rawValue)
        }
        return try result.get()
    }

    private func count(_ grantType: GrantType, _ outcome: String) {
        let series = Series(grantType: grantType, outcome: outcome)
        let counter = counters.withLock { counters in
            if let counter = counters[series] { return counter }
            let counter = Counter(
                label: "tokenvault_issuer_exchanges_total",
                dimensions: [("grant_type", grantType.rawValue), ("outcome", outcome)], factory: factory)
            counters[series] = counter
            return counter
        }
        counter.increment()
    }
}

extension TokenResponse {
    fileprivate var outcome: String { isReplayed ? "replayed" : "issued" }
}
