import TokenVault
import Tracing
import VaultCore

/// Spans around refreshes and around calls to providers: they carry the provider's name, what for and how it ended, and
/// nothing that came from a user or a provider.
struct KeeperTraces: Sendable {
    private let chosen: (any Tracer)?

    /// - Parameter tracer: nil: the one of the program.
    init(_ tracer: (any Tracer)?) { chosen = tracer }

    private var tracer: any Tracer { chosen ?? InstrumentationSystem.tracer }

    func refresh(
        _ provider: KnownProvider, _ body: () async -> RefreshOutcome
    ) async -> RefreshOutcome {
        await tracer.withAnySpan("tokenvault.refresh", ofKind: .internal) { span in
            span.attributes["tokenvault.provider"] = provider.stored.name
            let outcome = await body()
            span.attributes["tokenvault.outcome"] = outcome.word
            return outcome
        }
    }

    func call(
        _ provider: KnownProvider, _ purpose: ProviderRequest.Purpose,
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
