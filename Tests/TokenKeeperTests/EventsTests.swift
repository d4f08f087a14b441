import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Everything that happens is told, once, in order` {
    @Test func `a life of two connections, by two keepers on one vault`() async throws {
        let bench = try await KeeperBench()
        let other = try await bench.another()
        let first = try await bench.consent(label: "first")
        let grant = bench.server.grant(scope: ["read"])
        let imported = try await other.import(
            ImportedTokens(
                accessToken: SecretBytes(copying: grant.accessToken),
                refreshToken: grant.refreshToken.map { SecretBytes(copying: $0) }),
            provider: "standard", user: bench.user.id, label: "second")

        _ = try await other.refresh(first.id)
        bench.server.failNext(.status(503))
        _ = try await bench.keeper.refresh(first.id)
        bench.clock.advance(.seconds(600))
        bench.server.failNext(.echo("invalid_grant"))
        _ = try await bench.keeper.refresh(first.id)
        // Asked for again by an operator, refused again: that is not told as news.
        bench.server.failNext(.echo("invalid_grant"))
        _ = try await other.refresh(first.id)
        _ = try await other.refresh(first.id)
        bench.server.revoke(family: grant.family)
        _ = try await bench.keeper.refresh(imported.id)
        _ = try await bench.consent(other, label: "second")

        bench.server.failNext(.invalidClient)
        _ = try await bench.keeper.refresh(first.id)
        try await bench.keeper.resumeProvider("standard")
        _ = try await bench.keeper.revoke(first.id)
        _ = try await other.revoke(first.id)
        try await bench.serve(until: .revoked, after: -1)
        _ = try await bench.vault.revealConnection(imported.id, reason: "a look")
        let cursor = try await other.eventCursor()
        try await bench.whole { try await $0.users.remove("alice") }
        try await bench.serve(other, until: .revoked, after: cursor)
        try await bench.keeper.remove(first.id)

        let events = try await bench.history()
        #expect(
            events.filter { $0.connection == first.id }.map(\.line) == [
                "connection.connected #1", "connection.refreshed #2",
                "connection.refresh_failed #2 provider-busy",
                "connection.needs_consent #2 invalid-grant", "connection.refresh_failed #2 invalid-grant",
                "connection.recovered #3 recovered", "connection.refresh_failed #3 invalid-client",
                "connection.revoking #3 requested", "connection.revoked #3 revoked-there",
                "connection.removed #3",
            ])
        #expect(
            events.filter { $0.connection == imported.id }.map(\.line) == [
                "connection.imported #1 imported", "connection.needs_consent #1 invalid-grant",
                "connection.connected #2", "connection.revealed #2", "connection.revoking #2 user-removed",
                "connection.revoked #2 revoked-there",
            ])
        #expect(
            events.filter { $0.connection == nil }.map(\.line) == [
                "provider.added #1", "provider.stopped #1 stopped", "provider.resumed #2 resumed",
            ])
        #expect(events.map(\.id) == events.map(\.id).sorted() && Set(events.map(\.id)).count == events.count)
        #expect(try await bench.history(other) == events)
        // What is gone has no provider any more; everything else names it.
        for event in events { #expect((event.providerName == nil) == (event.connection == first.id)) }
        #expect(try await bench.verify().isIntact)
    }

    @Test func `a connection without revocation endpoint ends at once, and told once`() async throws {
        let entry = KeeperBench.standardEntry.split(separator: "\n")
            .filter { !$0.contains("revocation") }.joined(separator: "\n")
        let bench = try await KeeperBench(entry)
        let connection = try await bench.consent()
        _ = try await bench.keeper.revoke(connection.id)
        _ = try await bench.keeper.revoke(connection.id)
        let lines = try await bench.history().filter { $0.connection == connection.id }.map(\.line)
        #expect(lines == ["connection.connected #1", "connection.revoked #1 ended-here"])
    }

    @Test func `a lost answer under a strict provider is told as the end that it is`() async throws {
        let bench = try await KeeperBench(KeeperBench.entry(replay: "revokes"))
        let connection = try await bench.consent()
        bench.server.failNext(.dropAfter)
        _ = try await bench.keeper.refresh(connection.id)
        bench.clock.advance(.seconds(600))
        _ = try await bench.keeper.refresh(connection.id)
        _ = try await bench.keeper.refresh(connection.id)
        let lines = try await bench.history().filter { $0.connection == connection.id }.map(\.line)
        #expect(
            lines == [
                "connection.connected #1", "connection.refresh_failed #1 no-answer-reset",
                "connection.needs_consent #1 lost-response", "connection.refresh_failed #1 lost-response",
            ])
    }
}

@Suite(.bounded) struct `Events are followed by a cursor` {
    @Test func `from any event on, the rest comes`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.consent()
        for _ in 0..<5 { _ = try await bench.keeper.refresh(connection.id) }
        let all = try await bench.history()
        #expect(all.count == 7)
        for (index, event) in all.enumerated() {
            #expect(try await bench.history(after: event.id) == Array(all.dropFirst(index + 1)))
        }
        #expect(try await bench.history(after: bench.keeper.eventCursor()).isEmpty)
        #expect(try await bench.history(after: .max - 1).isEmpty)
    }

    @Test func `who waits gets what another keeper does, and ends with its task`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.consent()
        let other = try await bench.another()
        let keeper = bench.keeper
        let cursor = try await keeper.eventCursor()
        let (kinds, seen) = AsyncStream.makeStream(of: KeeperEvent.Kind.self)
        let follower = Task {
            for try await event in keeper.events(after: cursor) { seen.yield(event.kind) }
            seen.finish()
        }
        var following = kinds.makeAsyncIterator()
        _ = try await other.refresh(connection.id)
        #expect(await following.next() == .refreshed)
        _ = try await bench.keeper.refresh(connection.id)
        #expect(await following.next() == .refreshed)
        follower.cancel()
        try await follower.value
        #expect(await following.next() == nil)
    }

    @Test func `a log that grew by thousands of other entries is passed over, page by page`() async throws {
        let bench = try await KeeperBench()
        let connection = try await bench.consent()
        let start = try await bench.keeper.eventCursor()
        let vault = bench.vault
        for batch in 0..<33 {
            try await withThrowingTaskGroup(of: Void.self) { group in
                for index in 0..<256 {
                    group.addTask { _ = try await vault.users.add("user \(batch * 256 + index)") }
                }
                try await group.waitForAll()
            }
        }
        _ = try await bench.keeper.refresh(connection.id)
        let page = try await bench.keeper.eventPage(from: start + 1)
        #expect(page.events.isEmpty && !page.isEnd && page.next == start + 1 + Limits.followedLeaves)
        var iterator = bench.keeper.events(after: start).makeAsyncIterator()
        let event = try #require(try await iterator.next())
        #expect(event.kind == .refreshed && event.id > start + Limits.followedLeaves)
        #expect(try await iterator.cursor == bench.keeper.eventCursor())
    }
}
