import Foundation
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `The keeper under attack and in trouble` {
    @Test func `a provider that is stopped, with a crowd that is due, holds up no other`() async throws {
        let bench = try await KeeperBench()
        try await bench.keeper.addProvider(
            NewProvider(
                "stopped", yaml: KeeperBench.standardEntry, clientID: KeeperBench.options.clientID,
                clientSecret: SecretBytes(copying: KeeperBench.options.clientSecret)))
        for number in 0..<200 {
            var tokens = ImportedTokens(
                accessToken: nil, refreshToken: SecretBytes(copying: "crowd-\(number)"))
            tokens.accessExpiresAt = bench.clock.now()
            let id = try await bench.keeper.import(
                tokens, provider: "stopped", user: bench.user.id, label: "\(number)"
            ).id
            _ = try await bench.vault.leaseRefresh(
                LeaseRequest(
                    id, generation: 1, failures: 0, holder: [UInt8](repeating: 1, count: 16),
                    span: .milliseconds(1), replay: .always))
        }
        let waiting = try await bench.connect()
        let victim = try #require(
            try await bench.keeper.connection(at: "stopped", of: bench.user.id, label: "0"))
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.invalidClient)
        _ = try await bench.keeper.refresh(victim.id)
        #expect(try await bench.keeper.configuredProvider("stopped").state == .stopped)

        var configuration = KeeperServiceConfiguration()
        configuration.interval = .milliseconds(10)
        let service = Task { [configuration] in
            try await KeeperService(bench.keeper, configuration: configuration).run()
        }
        let deadline = ContinuousClock.now + .seconds(20)
        while try await bench.vault.connection(waiting.id).generation == 1, ContinuousClock.now < deadline {
            await Task.yield()
        }
        service.cancel()
        _ = try? await service.value
        #expect(try await bench.vault.connection(waiting.id).generation == 2)
    }

    @Test func `a refresh token that was spent stays spent when a new consent brings the same one`()
        async throws
    {
        let bench = try await KeeperBench(KeeperBench.entry(replay: "revokes"))
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.dropAfter)
        _ = try await bench.keeper.accessToken(for: connection.id)
        #expect(try await bench.vault.connection(connection.id).unsettledSince != nil)
        // As a provider answers that has one refresh token for an account and a client.
        let known = try await bench.keeper.knownProvider(of: connection)
        var granted = NewTokens(accessToken: SecretBytes(copying: "second-consent"))
        granted.refreshToken = try await bench.vault.heldConnection(connection.id).pair?.refreshToken
        granted.accessExpiresAt = bench.clock.now().advanced(by: .seconds(3600))
        _ = try await bench.keeper.store(granted, known, bench.user.id, label: "")
        #expect(try await bench.vault.connection(connection.id).unsettledSince != nil)
        bench.clock.advance(.seconds(3700))
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .needsConsent(let need) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(need.reason == .lostResponse)
        #expect(bench.server.reuseAlarms == 0)
    }

    @Test func `a worker that was stopped for longer than its lease sends nothing`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        let held = try await bench.vault.heldConnection(connection.id)
        let answer = try await bench.vault.leaseRefresh(
            LeaseRequest(
                held.id, generation: held.generation, failures: 0, holder: [UInt8](repeating: 7, count: 16),
                span: .seconds(45), replay: .always))
        guard case .leased(let leased) = answer else {
            Issue.record("\(answer)")
            return
        }
        let known = try await bench.keeper.knownProvider(of: connection)
        let terms = RefreshTerms(
            known.dialect, RefreshSchedule(margin: .seconds(300), rules: known.provider.expiry),
            revision: 1, holder: [], leaseSpan: .seconds(45))
        func isInTime() -> Bool {
            terms.isInTime(leased, at: bench.clock.reading(), callTimeout: .seconds(30))
        }
        #expect(isInTime())
        bench.clock.advance(.seconds(16))
        #expect(!isInTime())
    }

    @Test
    func
        `a lease given before the machine started again holds nobody off, and its attempt ages by the wall clock`()
        async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let held = try await bench.vault.heldConnection(connection.id)
        func lease(_ holder: UInt8, _ replay: ReplayAllowance) async throws -> LeaseAnswer {
            try await bench.vault.leaseRefresh(
                LeaseRequest(
                    held.id, generation: held.generation, failures: 0,
                    holder: [UInt8](repeating: holder, count: 16), span: .seconds(45), replay: replay))
        }
        guard case .leased(let first) = try await lease(7, .always),
            case .held = try await lease(8, .always)
        else {
            Issue.record("a lease did not hold another worker off")
            return
        }
        bench.clock.reboot()
        guard case .leased(let second) = try await lease(8, .within(.seconds(60))) else {
            Issue.record("a lease on a clock that is gone held a worker off")
            return
        }
        #expect(second.fence == first.fence + 1 && second.attempt?.sends == 2)
        // The other clock stands where the first stood, and tells nothing: an hour has passed by the wall clock.
        bench.clock.step(.seconds(3600))
        bench.clock.reboot()
        guard case .lost = try await lease(9, .within(.seconds(60))) else {
            Issue.record("the attempt did not age")
            return
        }
    }

    @Test func `a loser that comes late with tokens saves them, and with anything else changes nothing`()
        async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        func lease(_ holder: UInt8) async throws -> HeldConnection {
            let held = try await bench.vault.heldConnection(connection.id)
            let answer = try await bench.vault.leaseRefresh(
                LeaseRequest(
                    held.id, generation: held.generation, failures: held.connection.failures,
                    holder: [UInt8](repeating: holder, count: 16), span: .seconds(1), replay: .always))
            guard case .leased(let leased) = answer else { throw VaultError(.busy, "\(answer)") }
            return leased
        }
        let first = try await lease(1)
        bench.clock.advance(.seconds(2))
        let second = try await lease(2)
        #expect(second.fence > first.fence)
        for outcome in [
            Settlement.Outcome.refused(RefusedRefresh("invalid-grant", .needsConsent, revision: 1)),
            .unsettled(reason: "late", isSent: true),
            .refused(RefusedRefresh("invalid-client", .client, revision: 1)),
        ] {
            let late = Settlement(
                first.id, generation: first.generation, fence: first.fence, outcome, dueAt: nil)
            guard case .superseded = try await bench.vault.settleRefresh(late) else {
                Issue.record("\(outcome) of a loser counted")
                return
            }
        }
        #expect(try await bench.keeper.configuredProvider("standard").state == .active)
        var tokens = NewTokens(accessToken: SecretBytes(copying: "saved"))
        tokens.refreshToken = SecretBytes(copying: "saved-too")
        let saving = Settlement(
            first.id, generation: first.generation, fence: first.fence, .tokens(tokens), dueAt: nil)
        guard case .settled(let saved) = try await bench.vault.settleRefresh(saving) else {
            Issue.record("tokens were dropped")
            return
        }
        #expect(saved.generation == 2)
        // The winner's refusal speaks of a token that is not the current one any more.
        let refusal = Settlement(
            second.id, generation: second.generation, fence: second.fence,
            .refused(RefusedRefresh("invalid-grant", .needsConsent, revision: 1)), dueAt: nil)
        guard case .superseded(let now) = try await bench.vault.settleRefresh(refusal) else {
            Issue.record("the winner of the lease harmed the connection")
            return
        }
        #expect(now.connection.state == .live)
        #expect(try await bench.verify().isIntact)
    }

    @Test func `a user who is disabled gets no token by any door`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(60))
        try await bench.vault.users.disable("alice")
        await #expect(throws: VaultError(.denied, "")) {
            try await bench.keeper.replacement(forRefused: 1, of: connection.id)
        }
        await #expect(throws: VaultError(.denied, "")) { try await bench.keeper.refresh(connection.id) }
    }

    @Test func `an API that refuses every token has one refresh, not one for each call`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(60))
        let calls = bench.server.tokenRequests
        var generation: Int64 = 1
        for _ in 0..<20 {
            let answer = try await bench.keeper.replacement(forRefused: generation, of: connection.id)
            guard case .ready(let token) = answer else {
                Issue.record("\(answer)")
                return
            }
            generation = token.generation
        }
        #expect(bench.server.tokenRequests == calls + 1)
    }

    @Test func `tokens that live for less than is asked are handed out, and not refreshed at every call`()
        async throws
    {
        let bench = try await KeeperBench()
        bench.server.configure { $0.accessLifetime = .seconds(40) }
        let connection = try await bench.connect()
        let calls = bench.server.tokenRequests
        for _ in 0..<20 {
            let answer = try await bench.keeper.accessToken(for: connection.id, validFor: .seconds(90))
            guard case .ready = answer else {
                Issue.record("\(answer)")
                return
            }
        }
        #expect(bench.server.tokenRequests == calls)
    }

    @Test func `a consent that binds to nothing is refused`() async throws {
        let bench = try await KeeperBench()
        for session in ["", "short", String(repeating: "x", count: 5000)] {
            await #expect(throws: VaultError(.invalidInput, "")) {
                try await bench.keeper.begin(
                    ConsentRequest(
                        provider: "standard", user: bench.user.id, redirectURI: KeeperBench.redirectURI,
                        session: SecretBytes(copying: session)))
            }
        }
    }

    @Test func `what a browser adds to a callback cannot cost the tokens`() async throws {
        let entry = KeeperBench.standardEntry + "\nrequests:\n  callback: [realmId]\n"
        let bench = try await KeeperBench(entry)
        for value in ["%01%02%03", String(repeating: "a", count: 15_000), "1234"] {
            let begun = try await bench.keeper.begin(
                ConsentRequest(
                    provider: "standard", user: bench.user.id, redirectURI: KeeperBench.redirectURI,
                    session: bench.session))
            let query = String(begun.url.split(separator: "?")[1])
            let answer = bench.server.handle(
                ScriptedRequest("GET", ScriptedEndpoint.authorize.path, query: query))
            let location = try #require(answer.header("location"))
            let returned = location.drop { $0 != "?" }.dropFirst().split(separator: "&")
                .filter { !$0.hasPrefix("realmId=") }.joined(separator: "&")
            let callback = try #require(ConsentCallback(query: returned + "&realmId=" + value))
            let connection = try await bench.keeper.complete(callback, session: bench.session)
            #expect(connection.state == .live)
            #expect(connection.metadata["realmId"] == (value == "1234" ? "1234" : nil))
        }
    }
}
