import InMemoryTracing
import MetricsTestKit
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import Tracing
import VaultCore

@Suite(.bounded) struct `The keeper counts what it does` {
    private func total(_ metrics: TestMetrics, _ name: String, _ dimensions: [(String, String)]) -> Int64? {
        try? metrics.expectCounter("tokenvault_keeper_" + name, dimensions).totalValue
    }

    @Test func `refreshes by provider and outcome, and calls by what they were for`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let keeper = bench.keeper(WebhookReceiver(bench)) { $0.metrics = metrics }
        let connection = try await bench.consent(keeper)
        _ = try await keeper.refresh(connection.id)
        _ = try await keeper.refresh(connection.id)
        bench.server.failNext(.status(503))
        _ = try await keeper.refresh(connection.id)
        bench.clock.advance(.seconds(600))
        bench.server.failNext(.echo("invalid_grant"))
        _ = try await keeper.refresh(connection.id)
        func refreshes(_ outcome: String) -> Int64? {
            total(metrics, "refreshes_total", [("provider", "standard"), ("outcome", outcome)])
        }
        #expect(refreshes("refreshed") == 2 && refreshes("failed") == 1 && refreshes("needs-consent") == 1)
        #expect(refreshes("storage") == nil)
        func calls(_ request: String) throws -> Int {
            try metrics.expectTimer(
                "tokenvault_keeper_call_seconds", [("provider", "standard"), ("request", request)]
            ).values.count
        }
        #expect(try calls("code") == 1)
        #expect(try calls("refresh") == 4)
    }

    @Test func `the duration of a call is that of the call`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let transport = ScriptedTransport(bench.server, pause: { [clock = bench.clock] in clock.advance($0) })
        let keeper = bench.keeper(transport) { $0.metrics = metrics }
        let connection = try await bench.consent(keeper)
        bench.server.failNext(.late(.milliseconds(1500)))
        _ = try await keeper.refresh(connection.id)
        let timer = try metrics.expectTimer(
            "tokenvault_keeper_call_seconds", [("provider", "standard"), ("request", "refresh")])
        #expect(timer.values == [1_500_000_000])
    }

    @Test func `callers that shared a refresh`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let (gate, arrived) = (Gate(), Gate())
        let keeper = bench.keeper(GatedTransport(bench, gate, arrived)) { $0.metrics = metrics }
        let connection = try await bench.consent()
        bench.clock.advance(.seconds(7200))
        async let first = keeper.accessToken(for: connection.id)
        await arrived.pass()
        let joined = { total(metrics, "joins_total", [("provider", "standard")]) ?? 0 }
        async let second = keeper.accessToken(for: connection.id)
        async let third = keeper.accessToken(for: connection.id)
        while joined() < 2 { await Task.yield() }
        gate.open()
        for answer in try await [first, second, third] {
            guard case .ready(let token) = answer else {
                Issue.record("no token")
                continue
            }
            #expect(token.generation == 2)
        }
        #expect(joined() == 2 && bench.server.tokenRequests == 2)
    }

    @Test func `a worker whose answer came after another had settled lost its lease`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let (gate, arrived) = (Gate(), Gate())
        let slow = bench.keeper(GatedTransport(bench, gate, arrived)) { $0.metrics = metrics }
        let connection = try await bench.consent()
        async let late = slow.refresh(connection.id)
        await arrived.pass()
        bench.clock.advance(.seconds(120))
        let quick = try await bench.another()
        guard case .ready(let token) = try await quick.refresh(connection.id) else {
            Issue.record("no token")
            return
        }
        gate.open()
        guard case .ready(let same) = try await late else {
            Issue.record("no token for who was late")
            return
        }
        #expect(same.generation == token.generation)
        #expect(total(metrics, "leases_lost_total", [("provider", "standard")]) == 1)
    }

    @Test func `age and time left of one token used in 64`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let keeper = bench.keeper(WebhookReceiver(bench)) { $0.metrics = metrics }
        let connection = try await bench.consent()
        bench.clock.advance(.seconds(600))
        for _ in 0..<193 { _ = try await keeper.accessToken(for: connection.id) }
        let age = try metrics.expectRecorder("tokenvault_keeper_token_age_seconds")
        let left = try metrics.expectRecorder("tokenvault_keeper_token_left_seconds")
        #expect(age.values == [600, 600, 600, 600])
        #expect(left.values == [3000, 3000, 3000, 3000])
    }

    @Test func `what webhooks say`() async throws {
        let bench = try await KeeperBench()
        let metrics = TestMetrics()
        let receiver = WebhookReceiver(bench) {
            $0.type == "connection.connected" ? .success(200) : .success(500)
        }
        let keeper = bench.keeper(receiver) { $0.metrics = metrics }
        _ = try await keeper.addWebhook("https://app.example/hooks")
        let connection = try await bench.consent()
        _ = try await bench.keeper.refresh(connection.id)
        try await receiver.serve(keeper) { _ in try await keeper.webhooks()[0].failures == 1 }
        #expect(total(metrics, "webhooks_total", [("outcome", "delivered")]) == 1)
        #expect(total(metrics, "webhooks_total", [("outcome", "failed")]) == 1)
    }
}

@Suite(.bounded) struct `Spans tell what was done and no secret` {
    @Test func `a refresh holds its calls, and nothing of what was sent or answered`() async throws {
        let bench = try await KeeperBench()
        let tracer = InMemoryTracer()
        let keeper = bench.keeper(WebhookReceiver(bench)) { $0.tracer = tracer }
        let connection = try await bench.consent(keeper, label: "planted label")
        let held = try await bench.vault.heldConnection(connection.id)
        _ = try await keeper.refresh(connection.id)
        bench.server.failNext(.echo("invalid_request"))
        _ = try await keeper.refresh(connection.id)
        bench.server.failNext(.dropBefore)
        bench.clock.advance(.seconds(600))
        _ = try await keeper.refresh(connection.id)

        let spans = tracer.finishedSpans
        #expect(spans.filter { $0.operationName == "tokenvault.refresh" }.count == 3)
        // The last one was sent twice: the first time nobody answered.
        #expect(spans.filter { $0.operationName == "tokenvault.call" }.count == 5)
        #expect(spans.map { $0.attributes.get("tokenvault.request") == .string("code") }.contains(true))
        let outcomes = spans.compactMap { $0.attributes.get("tokenvault.outcome") }
        #expect(outcomes == [.string("refreshed"), .string("failed"), .string("refreshed")])
        #expect(
            spans.contains {
                $0.attributes.get("error.type") == .string("reset") && $0.status?.code == .error
            })
        for call in spans where call.attributes.get("tokenvault.request") == .string("refresh") {
            #expect(
                spans.contains { $0.spanID == call.parentSpanID && $0.operationName == "tokenvault.refresh" })
        }
        var planted = [
            "planted label", "alice", KeeperBench.options.clientID, KeeperBench.options.clientSecret,
        ]
        for secret in [held.pair?.accessToken, held.pair?.refreshToken] {
            planted += try [#require(secret).withExposed { String(decoding: $0, as: UTF8.self) }]
        }
        for span in spans {
            var text = "\(span.operationName) \(span.errors.map { "\($0.error)" }) \(span.events.map(\.name))"
            text += span.status?.message ?? ""
            span.attributes.forEach { text += " \($0)=\($1)" }
            for secret in planted { #expect(!text.contains(secret), "\(span.operationName)") }
        }
    }
}

/// Holds up what is sent until the gate opens.
private struct GatedTransport: ProviderTransport {
    let inner: ScriptedTransport
    let gate: Gate
    let arrived: Gate

    init(_ bench: KeeperBench, _ gate: Gate, _ arrived: Gate) {
        inner = ScriptedTransport(bench.server)
        self.gate = gate
        self.arrived = arrived
    }

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        arrived.open()
        await gate.pass()
        return try await inner.send(request)
    }
}
