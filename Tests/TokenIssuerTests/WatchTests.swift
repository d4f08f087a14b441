import InMemoryTracing
import MetricsTestKit
import SQLiteStore
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import Tracing
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `Metrics and spans of the issuer` {
    /// An issuer whose program listens.
    private struct Watched {
        let tracer = InMemoryTracer()
        let metrics = TestMetrics()
        let vault: Vault
        let issuer: TokenIssuer
        let stage: Stage

        init() async throws {
            var configuration = VaultConfiguration(clock: SettableClock())
            configuration.metrics = metrics
            vault = try await Vault.create(
                in: MemoryStore(), unlockedBy: .heldKey(.random()), configuration: configuration)
            issuer = TokenIssuer(
                vault: vault, profile: .standard, url: nil, idTokens: nil, assertions: nil, claims: .none,
                tracer: tracer, metrics: metrics)
            stage = try await Stage(vault: vault, issuer: issuer)
        }

        func exchanges(_ grantType: String, _ outcome: String) -> Int64? {
            let dimensions = [("grant_type", grantType), ("outcome", outcome)]
            return try? metrics.expectCounter("tokenvault_issuer_exchanges_total", dimensions).totalValue
        }
    }

    @Test func `each token request is one span and one count, whatever became of it`() async throws {
        let watched = try await Watched()
        let (issuer, stage) = (watched.issuer, watched.stage)
        let first = try await stage.redeemed()
        let token = try #require(first.refreshToken)
        _ = try await issuer.refresh(
            token, for: stage.credentials, from: RequestOrigin(.http, requestID: "r-1"))
        _ = try await issuer.refresh(token, for: stage.credentials)
        _ = try await issuer.issue(for: stage.credentials)
        let wrong = ClientCredentials.secret(SecretBytes(copying: "hunter2"), clientID: "app")
        #expect(try await refusal { _ = try await issuer.refresh(token, for: wrong) } == .invalidClient)

        let spans = watched.tracer.finishedSpans
        #expect(spans.map(\.operationName) == [String](repeating: "tokenvault.token", count: 5))
        func values(_ name: String) -> [SpanAttribute?] { spans.map { $0.attributes.get(name) } }
        #expect(
            values("tokenvault.grant_type")
                == [
                    "authorization_code", "refresh_token", "refresh_token", "client_credentials",
                    "refresh_token",
                ]
                .map { .string($0) })
        #expect(
            values("tokenvault.outcome")
                == ["issued", "issued", "replayed", "issued", "refused"].map { .string($0) })
        #expect(values("error.type") == [nil, nil, nil, nil, .string("invalid_client")])
        #expect(values("tokenvault.request_id")[1] == .string("r-1"))
        // A client that is refused is no failure of the server's.
        #expect(spans.allSatisfy { $0.status == nil })

        #expect(watched.exchanges("authorization_code", "issued") == 1)
        #expect(watched.exchanges("refresh_token", "issued") == 1)
        #expect(watched.exchanges("refresh_token", "replayed") == 1)
        #expect(watched.exchanges("refresh_token", "invalid_client") == 1)
        #expect(watched.exchanges("client_credentials", "issued") == 1)
        let timer = try watched.metrics.expectTimer(
            "tokenvault_issuer_exchange_seconds", [("grant_type", "refresh_token")])
        #expect(timer.values.count == 3)
    }

    @Test func `a span is a child of the host's`() async throws {
        let watched = try await Watched()
        try await watched.tracer.withSpan("host") { _ in _ = try await watched.stage.redeemed() }
        let spans = watched.tracer.finishedSpans
        #expect(spans.map(\.operationName) == ["tokenvault.token", "host"])
        #expect(spans.first?.parentSpanID == spans.last?.spanID)
    }

    @Test func `nothing that was sent or given is in a span or a label`() async throws {
        let watched = try await Watched()
        let (issuer, stage) = (watched.issuer, watched.stage)
        let code = try await stage.code()
        let tokens = try await issuer.redeem(code, redirectURI: Stage.redirectURI, for: stage.credentials)
        _ = try await refusal {
            _ = try await issuer.redeem(
                SecretBytes(copying: "planted code"), redirectURI: "https://planted.example",
                codeVerifier: SecretBytes(copying: "planted verifier"),
                for: .secret(SecretBytes(copying: "planted secret"), clientID: "planted client"))
        }
        var told = ""
        for span in watched.tracer.finishedSpans {
            told += " \(span.operationName) \(span.errors.map { "\($0.error)" }) \(span.events.map(\.name))"
            span.attributes.forEach { told += " \($0)=\($1)" }
        }
        for counter in watched.metrics.counters { told += " \(counter.label) \(counter.dimensions)" }
        for timer in watched.metrics.timers { told += " \(timer.label) \(timer.dimensions)" }
        #expect(told.contains("invalid_client") && !told.contains("planted"))
        for secret in [code, tokens.accessToken, try #require(tokens.refreshToken), stage.secret] {
            #expect(!told.contains(String(decoding: octets(secret), as: UTF8.self)))
        }
    }

    @Test func `the vault counts its commits and how long they take`() async throws {
        let watched = try await Watched()
        let commits = try watched.metrics.expectCounter("tokenvault_vault_commits_total")
        let writes = try watched.metrics.expectCounter("tokenvault_vault_writes_total")
        let (before, statistics) = (commits.totalValue, watched.vault.statistics)
        #expect(before == Int64(statistics.commits) && before > 0)
        _ = try await watched.stage.redeemed()
        #expect(commits.totalValue > before)
        #expect(commits.totalValue == Int64(statistics.commits))
        #expect(writes.totalValue == Int64(statistics.bodies))
        let times = try watched.metrics.expectTimer("tokenvault_vault_commit_seconds").values
        #expect(times.count == statistics.commits)
    }
}
