import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `A connection that is refused for hours is failing` {
    @Test(arguments: [
        "login_required", "interaction_required", "consent_required", "account_selection_required",
    ])
    func `OpenID Connect Core section 3.1.2.6: what only the user can do asks the user at once`(
        _ code: String
    )
        async throws
    {
        let bench = try await RefusalBench()
        let id = try await bench.connect("alice")
        bench.refuse("alice", (401, #"{"error":"\#(code)","error_description":"Sign in again"}"#))
        #expect(try await bench.keeper.accessToken(for: id).word == "needs-consent refused")
        let connection = try await bench.connection(id)
        #expect(connection.state == .needsConsent && connection.reason == code.replacing("_", with: "-"))
        #expect(connection.refusal?.words == "HTTP 401 \(code): Sign in again")
        bench.clock.advance(.seconds(86400))
        _ = try await bench.keeper.accessToken(for: id)
        #expect(bench.provider.calls.count == 1)
    }

    /// Asks whenever the connection is due, for so long.
    private func run(_ bench: RefusalBench, _ id: ConnectionID, for span: Duration) async throws {
        let end = bench.clock.now().advanced(by: span)
        while true {
            let due = try await bench.connection(id).dueAt ?? bench.clock.now()
            guard due <= end else { break }
            bench.clock.advance(max(.zero, due.elapsed(since: bench.clock.now())))
            _ = try await bench.keeper.accessToken(for: id)
        }
        bench.clock.advance(end.elapsed(since: bench.clock.now()))
    }

    @Test func `it is told once, tried once a day at last, and counted in its row`() async throws {
        let bench = try await RefusalBench()
        let id = try await bench.connect("alice")
        bench.refuse("alice", RefusalBench.request)
        try await run(bench, id, for: .seconds(2 * 3600))
        #expect(try await bench.connection(id).state == .live)
        try await run(bench, id, for: .seconds(4 * 3600))
        let failing = try await bench.connection(id)
        #expect(failing.state == .failing && failing.reason == "invalid-request")
        #expect(try await bench.keeper.vault.connections(.failing).map(\.id) == [id])
        try await run(bench, id, for: .seconds(10 * 86400))
        let calls = bench.provider.calls.count
        #expect(calls < 40)
        let old = try await bench.connection(id)
        #expect(old.refusal?.count == Int64(calls))
        #expect(old.refusal?.words == "HTTP 400 invalid_request: refresh token is unknown")
        let pause = try #require(old.dueAt).elapsed(since: bench.clock.now())
        #expect(pause <= .seconds(86400))
        #expect(
            try await bench.events(id) == [
                "connection.imported imported", "connection.refresh_failed invalid-request",
                "connection.failing invalid-request",
            ])
        bench.provider.relent()
        #expect(try await bench.keeper.refresh(id).word == "ready")
        let healed = try await bench.connection(id)
        #expect(healed.state == .live && healed.refusal == nil && healed.failures == 0)
        #expect(try await bench.events(id).last == "connection.recovered recovered")
        #expect(try await bench.bench.verify().isIntact)
    }

    @Test(arguments: [(503, ""), (500, #"{"error":"invalid_request"}"#), (429, ""), (504, ""), (408, "")])
    func `a provider that is busy or gives no answer makes no connection failing`(
        _ status: Int, _ body: String
    )
        async throws
    {
        let bench = try await RefusalBench()
        let id = try await bench.connect("alice")
        bench.refuse("alice", (status, body))
        try await run(bench, id, for: .seconds(6 * 3600))
        #expect(try await bench.connection(id).state == .live)
        #expect(try await bench.connection(id).refusal == nil)
        #expect(try await bench.keeper.accessToken(for: id).word == "unavailable provider")
    }

    @Test func `while its access token lives it is not failing, and the token is handed out`() async throws {
        let bench = try await RefusalBench()
        var tokens = ImportedTokens(
            accessToken: SecretBytes(copying: "long-lived"), refreshToken: SecretBytes(copying: "alice"))
        tokens.accessExpiresAt = bench.clock.now().advanced(by: .seconds(86400))
        let id = try await bench.keeper.import(tokens, provider: "standard", user: bench.bench.user.id).id
        bench.refuse("alice", RefusalBench.request)
        for _ in 0..<10 {
            _ = try await bench.keeper.refresh(id)
            bench.clock.advance(.seconds(3600))
        }
        #expect(try await bench.connection(id).state == .live)
        #expect(try await bench.keeper.accessToken(for: id).word == "ready")
        bench.clock.advance(.seconds(86400))
        _ = try await bench.keeper.accessToken(for: id)
        #expect(try await bench.connection(id).state == .failing)
    }

    @Test func `one that is failing can be given up, connected again, or turn out dead`() async throws {
        let bench = try await RefusalBench()
        var ids: [ConnectionID] = []
        for label in ["a", "b", "c"] {
            bench.refuse(label, RefusalBench.request)
            ids.append(try await bench.connect(label))
        }
        for id in ids { try await run(bench, id, for: .seconds(6 * 3600)) }
        for id in ids { #expect(try await bench.connection(id).state == .failing) }
        #expect(try await bench.keeper.revoke(ids[0]).state == .revoking)
        #expect(try await bench.connection(try await bench.connect("b")).state == .live)
        bench.refuse("c", (400, #"{"error":"invalid_grant"}"#))
        bench.clock.advance(.seconds(86400))
        #expect(try await bench.keeper.accessToken(for: ids[2]).word == "needs-consent refused")
        #expect(try await bench.events(ids[2]).last == "connection.needs_consent invalid-grant")
        try await bench.bench.whole { try await $0.users.remove("alice") }
        #expect(try await bench.connection(ids[1]).state == .revoking)
        #expect(try await bench.bench.verify().isIntact)
    }

    @Test func `the words of a refusal hold no secret that was sent, and fit`() async throws {
        let bench = try await RefusalBench()
        let secret = "alice-refresh-token-0123456789"
        let id = try await bench.connect(secret)
        let long = String(repeating: "no ", count: 2000)
        bench.refuse(secret, (400, #"{"error":"invalid_request","error_description":"bad \#(secret)"}"#))
        _ = try await bench.keeper.accessToken(for: id)
        let words = try #require(try await bench.connection(id).refusal?.words)
        #expect(words == "HTTP 400 invalid_request: bad <redacted>")
        bench.refuse(secret, (400, #"{"error":"invalid_request","error_description":"\#(long)"}"#))
        _ = try await bench.keeper.refresh(id)
        #expect(try #require(try await bench.connection(id).refusal?.words).count <= 200)
    }

    @Test func `after an operator changed the provider a caller need not wait`() async throws {
        let bench = try await RefusalBench()
        let id = try await bench.connect("alice")
        bench.refuse("alice", RefusalBench.request)
        try await run(bench, id, for: .seconds(86400))
        bench.provider.relent()
        #expect(try await bench.keeper.accessToken(for: id).word == "unavailable refused")
        _ = try await bench.keeper.resumeProvider("standard")
        #expect(try await bench.keeper.accessToken(for: id).word == "ready")
    }

    @Test(arguments: [RefusalBench.request, RefusalBench.unnamed, (400, #"{"error":"x"}"#)])
    func `however many are refused, one that is not is refreshed ahead of its end`(
        _ status: Int, _ body: String
    )
        async throws
    {
        let bench = try await RefusalBench()
        // Lapsed leases make them due.
        for number in 0..<40 {
            let label = "dead-\(number)"
            bench.refuse(label, (status, body))
            let id = try await bench.connect(label)
            _ = try await bench.keeper.vault.leaseRefresh(
                LeaseRequest(
                    id, generation: 1, failures: 0, holder: [UInt8](repeating: 1, count: 16),
                    span: .milliseconds(1), replay: .always))
        }
        bench.clock.advance(.seconds(1))
        let good = try await bench.connect("good")
        #expect(try await bench.keeper.accessToken(for: good).word == "ready")
        let end = try #require(try await bench.connection(good).accessExpiresAt)
        let dead = try await bench.serve { bench.provider.calls.count > 1 }
        #expect(dead)
        // The clock of the test stands still while the service runs: a connection that has to wait waits for ever.
        bench.clock.advance(
            try #require(try await bench.connection(good).dueAt).elapsed(since: bench.clock.now()))
        #expect(try await bench.serve { try await bench.connection(good).generation >= 3 })
        #expect(bench.clock.now() < end)
    }
}

extension ConnectionFilter {
    static var failing: ConnectionFilter {
        var filter = ConnectionFilter()
        filter.state = .failing
        return filter
    }
}
