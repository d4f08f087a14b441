import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `A provider is stopped for what it says of our client alone` {
    @Test(arguments: [
        RefusalBench.unnamed, (401, ""), (400, #"{"error":"unauthorized_client"}"#),
        (403, #"{"error":"unauthorized_client","error_description":"refresh_token is invalid"}"#),
        (400, #"{"error":"invalid_request"}"#), (403, "<html>"), (404, ""),
    ])
    func `one user's dead token stops no other, and its connection says why`(
        _ status: Int, _ body: String
    ) async throws {
        let bench = try await RefusalBench()
        let alice = try await bench.connect("alice")
        let bob = try await bench.connect("bob")
        bench.refuse("alice", (status, body))
        for _ in 0..<5 {
            #expect(try await bench.keeper.accessToken(for: alice).word == "unavailable refused")
            bench.clock.advance(.seconds(3600))
        }
        #expect(try await bench.keeper.accessToken(for: bob).word == "ready")
        #expect(try await bench.state == .active)
        let refused = try await bench.connection(alice)
        #expect(refused.failures == 5 && refused.reason == refused.refusal?.reason)
        #expect(refused.refusal?.count == 5)
        #expect(refused.refusal?.words.hasPrefix("HTTP \(status) ") == true)
        #expect(try await bench.connection(bob).refusal == nil)
    }

    @Test func `three connections that are refused with no success between stop it, and are named`()
        async throws
    {
        let bench = try await RefusalBench()
        var ids: [ConnectionID] = []
        for label in ["a", "b", "c", "d"] {
            ids.append(try await bench.connect(label))
            bench.refuse(label, RefusalBench.unnamed)
        }
        for id in [ids[0], ids[0], ids[1]] {
            _ = try await bench.keeper.accessToken(for: id)
            bench.clock.advance(.seconds(10))
        }
        #expect(try await bench.state == .active)
        #expect(try await bench.keeper.accessToken(for: ids[2]).word == "unavailable provider-stopped")
        #expect(try await bench.state == .stopped)
        let stopped = try await bench.keeper.configuredProvider("standard")
        #expect(stopped.doubtedBy == Array(ids[..<3]) && stopped.doubt == "unauthorized")
        #expect(try await bench.events().last == "provider.stopped stopped")
        let calls = bench.provider.calls.count
        #expect(try await bench.keeper.accessToken(for: ids[3]).word == "unavailable provider-stopped")
        #expect(bench.provider.calls.count == calls)
        #expect(try await bench.bench.verify().isIntact)
    }

    @Test func `a success between ends the count`() async throws {
        let bench = try await RefusalBench()
        let good = try await bench.connect("good")
        for label in ["a", "b", "c", "d"] {
            let id = try await bench.connect(label)
            bench.refuse(label, RefusalBench.unnamed)
            _ = try await bench.keeper.accessToken(for: id)
            if label == "b" { #expect(try await bench.keeper.refresh(good).word == "ready") }
        }
        #expect(try await bench.state == .active)
        #expect(try await bench.keeper.configuredProvider("standard").doubtedBy.count == 2)
    }

    @Test func `connections that are known to be refused are no reason to stop it again`() async throws {
        let bench = try await RefusalBench()
        var ids: [ConnectionID] = []
        for label in ["a", "b", "c"] {
            ids.append(try await bench.connect(label))
            bench.refuse(label, RefusalBench.unnamed)
            _ = try await bench.keeper.accessToken(for: ids[ids.count - 1])
        }
        #expect(try await bench.state == .stopped)
        let good = try await bench.connect("good")
        bench.clock.advance(.seconds(60))
        #expect(try await bench.keeper.accessToken(for: good).word == "ready")
        #expect(try await bench.state == .active)
        for _ in 0..<3 {
            bench.clock.advance(.seconds(86400))
            for id in ids { _ = try await bench.keeper.accessToken(for: id) }
        }
        #expect(try await bench.state == .active)
        // What an operator changed is judged again.
        _ = try await bench.keeper.resumeProvider("standard")
        for id in ids { _ = try await bench.keeper.accessToken(for: id) }
        #expect(try await bench.state == .stopped)
    }

    @Test
    func `invalid_client stops it at once; a minute later one call is let through, and a success opens it`()
        async throws
    {
        let bench = try await RefusalBench()
        let alice = try await bench.connect("alice")
        let bob = try await bench.connect("bob")
        for label in ["alice", "bob"] { bench.refuse(label, RefusalBench.named) }
        #expect(try await bench.keeper.accessToken(for: alice).word == "unavailable provider-stopped")
        #expect(try await bench.keeper.configuredProvider("standard").doubtedBy == [alice])
        bench.clock.advance(.seconds(59))
        for id in [alice, bob] {
            #expect(try await bench.keeper.accessToken(for: id).word == "unavailable provider-stopped")
            #expect(try await bench.keeper.refresh(id).word == "unavailable provider-stopped")
        }
        #expect(bench.provider.calls == ["alice"])
        bench.clock.advance(.seconds(2))
        for _ in 0..<3 {
            for id in [bob, alice] { _ = try await bench.keeper.accessToken(for: id) }
        }
        #expect(bench.provider.calls == ["alice", "bob"])
        bench.provider.relent()
        bench.clock.advance(.seconds(61))
        #expect(try await bench.keeper.accessToken(for: alice).word == "ready")
        #expect(try await bench.keeper.accessToken(for: bob).word == "ready")
        #expect(try await bench.keeper.configuredProvider("standard").doubtedBy == [])
        #expect(
            try await bench.events() == [
                "provider.added", "provider.stopped stopped", "provider.resumed resumed",
            ])
        #expect(try await bench.events(bob) == ["connection.imported imported", "connection.refreshed"])
        #expect(try await bench.bench.verify().isIntact)
    }

    @Test func `one that is refused by name while the others are not backs off and stops it no second time`()
        async throws
    {
        let bench = try await RefusalBench()
        let odd = try await bench.connect("odd")
        let good = try await bench.connect("good")
        bench.refuse("odd", RefusalBench.named)
        _ = try await bench.keeper.accessToken(for: odd)
        bench.clock.advance(.seconds(61))
        #expect(try await bench.keeper.accessToken(for: good).word == "ready")
        for _ in 0..<4 {
            #expect(try await bench.keeper.accessToken(for: odd).word == "unavailable refused")
            bench.clock.advance(.seconds(300))
        }
        #expect(try await bench.state == .active)
        #expect(try await bench.connection(odd).failures == 4)
    }

    @Test func `a service probes a stopped provider by itself, with a connection that is not to blame`()
        async throws
    {
        let bench = try await RefusalBench()
        var ids: [ConnectionID] = []
        for label in ["a", "b", "c"] { ids.append(try await bench.connect(label)) }
        let good = try await bench.connect("good")
        #expect(try await bench.keeper.accessToken(for: good).word == "ready")
        for (label, id) in zip(["a", "b", "c"], ids) {
            bench.refuse(label, RefusalBench.unnamed)
            _ = try await bench.keeper.accessToken(for: id)
        }
        #expect(try await bench.state == .stopped)
        let calls = bench.provider.calls.count
        #expect(try await !bench.serve(seconds: 0.2) { bench.provider.calls.count != calls })
        bench.clock.advance(.seconds(2))
        #expect(try await bench.serve { try await bench.state == .active })
        #expect(bench.provider.calls[calls] == "good")
    }

    @Test func `while it stays stopped there is one call a minute, however many connections are due`()
        async throws
    {
        let bench = try await RefusalBench()
        for number in 0..<20 {
            bench.refuse("\(number)", RefusalBench.named)
            let id = try await bench.connect("\(number)")
            _ = try await bench.keeper.vault.leaseRefresh(
                LeaseRequest(
                    id, generation: 1, failures: 0, holder: [UInt8](repeating: 1, count: 16),
                    span: .milliseconds(1), replay: .always))
        }
        bench.clock.advance(.seconds(1))
        #expect(try await bench.serve { try await bench.state == .stopped })
        for _ in 0..<3 {
            let calls = bench.provider.calls.count
            bench.clock.advance(.seconds(61))
            #expect(try await bench.serve { bench.provider.calls.count == calls + 1 })
            #expect(try await !bench.serve(seconds: 0.2) { bench.provider.calls.count != calls + 1 })
        }
    }
}
