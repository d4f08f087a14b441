import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `The keeper hands out tokens that live` {
    @Test func `a consent becomes a connection, and its token is the one the provider gave`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        #expect(connection.state == .live)
        #expect(connection.generation == 1)
        let token = try await bench.ready(connection.id)
        #expect(bench.server.isLive(accessToken: token.text))
        #expect(token.placement == .bearer)
    }

    @Test func `a token that is valid costs no call and no write`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let size = try await bench.vault.auditSize()
        let calls = bench.server.requests(to: .token)
        for _ in 0..<100 { _ = try await bench.ready(connection.id) }
        #expect(try await bench.vault.auditSize() == size)
        #expect(bench.server.requests(to: .token) == calls)
    }

    @Test func `a token that is over is refreshed once for all who ask`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let before = bench.server.requests(to: .token)
        bench.clock.advance(.seconds(3700))
        let texts = try await withThrowingTaskGroup(of: String.self) { group in
            for _ in 0..<64 { group.addTask { try await bench.ready(connection.id).text } }
            return try await group.reduce(into: Set()) { $0.insert($1) }
        }
        #expect(texts.count == 1)
        #expect(bench.server.requests(to: .token) == before + 1)
        #expect(try await bench.vault.connection(connection.id).generation == 2)
    }

    @Test func `two keepers on one vault refresh once`() async throws {
        let bench = try await KeeperBench()
        let other = try await bench.another()
        let connection = try await bench.connect()
        _ = try await bench.ready(connection.id, other)
        bench.clock.advance(.seconds(3700))
        async let first = bench.ready(connection.id).text
        async let second = bench.ready(connection.id, other).text
        let texts = try await [first, second]
        #expect(texts[0] == texts[1])
        #expect(bench.server.reuseAlarms == 0)
        #expect(try await bench.vault.connection(connection.id).generation == 2)
        await other.vault.close()
    }

    @Test func `what the provider refuses for good needs the user, and is never deleted`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let family = try #require(bench.server.families.first)
        bench.server.revoke(family: family.id)
        bench.clock.advance(.seconds(3700))
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .needsConsent(let need) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(need.reason == .refused)
        let held = try await bench.vault.heldConnection(connection.id)
        #expect(held.connection.state == .needsConsent)
        #expect(held.pair?.refreshToken != nil)
    }

    @Test func `a provider that is busy costs nothing but time`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.status(503, retryAfter: "20"))
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .unavailable(let wait, .provider) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(wait >= .seconds(19))
        let calls = bench.server.requests(to: .token)
        _ = try await bench.keeper.accessToken(for: connection.id)
        #expect(bench.server.requests(to: .token) == calls, "it is left alone as long as it asked for")
        bench.clock.advance(.seconds(21))
        _ = try await bench.ready(connection.id)
    }

    @Test func `a client that the provider refuses stops the calls and hurts no connection`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.invalidClient)
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .unavailable(_, .providerStopped) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(try await bench.vault.connection(connection.id).state == .live)
        let calls = bench.server.requests(to: .token)
        _ = try await bench.keeper.accessToken(for: connection.id)
        _ = try await bench.keeper.refresh(connection.id)
        #expect(bench.server.requests(to: .token) == calls)
        try await bench.keeper.resumeProvider("standard")
        bench.clock.advance(.seconds(400))
        _ = try await bench.ready(connection.id)
    }

    @Test func `an answer that was lost is asked for again where the provider bears it`() async throws {
        let bench = try await KeeperBench(KeeperBench.entry(replay: "within 10m"))
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.dropAfter)
        let token = try await bench.ready(connection.id)
        #expect(bench.server.isLive(accessToken: token.text))
        #expect(bench.server.reuseAlarms == 0)
    }

    @Test func `an answer that was lost is not asked for again where that would end the grant`() async throws
    {
        let bench = try await KeeperBench(KeeperBench.entry(replay: "revokes"))
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        bench.server.failNext(.dropAfter)
        _ = try await bench.keeper.accessToken(for: connection.id)
        bench.clock.advance(.seconds(3600))
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .needsConsent(let need) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(need.reason == .lostResponse)
        #expect(bench.server.reuseAlarms == 0)
    }

    @Test func `a reply that cannot be read is kept, and read again once the entry is put right`()
        async throws
    {
        let bench = try await KeeperBench(KeeperBench.entry(replay: "revokes"))
        let connection = try await bench.connect()
        bench.clock.advance(.seconds(3700))
        // The provider answers in another shape than its entry says.
        let wrong = KeeperBench.entry(replay: "revokes") + "\nreplies:\n  access_token: data.access_token\n"
        let credentials = KeeperBench.options
        func entry(_ yaml: String) -> NewProvider {
            NewProvider(
                "standard", yaml: yaml, clientID: credentials.clientID,
                clientSecret: SecretBytes(copying: credentials.clientSecret))
        }
        try await bench.keeper.replaceProvider(entry(wrong))
        let answer = try await bench.keeper.accessToken(for: connection.id)
        guard case .unavailable(_, .unreadableReply) = answer else {
            Issue.record("\(answer)")
            return
        }
        #expect(try await bench.vault.connection(connection.id).hasUnreadReply)
        #expect(try await bench.keeper.replayReply(of: connection.id) == nil)
        try await bench.keeper.replaceProvider(entry(KeeperBench.entry(replay: "revokes")))
        let healed = try #require(try await bench.keeper.replayReply(of: connection.id))
        #expect(healed.generation == 2)
        #expect(!healed.hasUnreadReply)
        #expect(bench.server.isLive(accessToken: try await bench.ready(connection.id).text))
        #expect(bench.server.reuseAlarms == 0)
    }

    @Test func `a token that is alive but grows stale is returned at once and refreshed behind`() async throws
    {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        let first = try await bench.ready(connection.id)
        bench.clock.advance(.seconds(3600 - 200))
        let second = try await bench.ready(connection.id)
        #expect(second.text == first.text)
        let deadline = ContinuousClock.now + .seconds(20)
        while try await bench.vault.connection(connection.id).generation == 1, ContinuousClock.now < deadline
        {
            await Task.yield()
        }
        #expect(try await bench.ready(connection.id).text != first.text)
    }

    @Test func `the user of a connection who is disabled gets nothing`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        try await bench.vault.users.disable("alice")
        bench.clock.advance(.seconds(1))
        await #expect(throws: VaultError(.denied, "")) {
            try await bench.keeper.accessToken(for: connection.id)
        }
    }

    @Test func `a connection that is removed leaves nothing behind and verifies`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.connect()
        _ = try await bench.keeper.revoke(connection.id)
        let known = try await bench.keeper.knownProvider(of: connection)
        await bench.keeper.attend(to: connection.id, known)
        #expect(try await bench.vault.connection(connection.id).state == .revoked)
        #expect(bench.server.families.map(\.isRevoked) == [true])
        try await bench.keeper.remove(connection.id)
        let report = try await bench.verify()
        #expect(report.isIntact, "\(report)")
    }
}
