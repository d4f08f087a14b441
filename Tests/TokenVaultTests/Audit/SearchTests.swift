import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `The log is searched as a stream` {
    private func all(_ vault: Vault, _ filter: AuditFilter, limit: Int = 7) async throws -> [AuditEntry] {
        var found: [AuditEntry] = []
        var entries = vault.log.entries(matching: filter).makeAsyncIterator()
        while case let page = try await entries.page(limit: limit), !page.isEmpty {
            #expect(page.count <= limit)
            found += page
        }
        var one: [AuditEntry] = []
        for try await entry in vault.log.entries(matching: filter) { one.append(entry) }
        #expect(one.map(\.index) == found.map(\.index))
        return found
    }

    @Test(.ofFiles) func `by client and by user, with what concerns their grants`() async throws {
        let log = try await Log(entries: 3)
        let bob = try await Party(log.vault, "other app", user: "bob")
        let tokens = try await bob.begin()
        _ = try await bob.refresh(tokens.refreshToken)
        let client = try await all(log.vault, try await log.vault.log.filter(client: "other app"))
        #expect(client.map(\.operation) == ["client.add", "grant.authorize", "token.code", "token.refresh"])
        let user = try await all(log.vault, try await log.vault.log.filter(user: "bob"))
        #expect(user.map(\.operation) == ["user.add", "grant.authorize", "token.code", "token.refresh"])
        await #expect(throws: VaultError(.notFound, "")) { try await log.vault.log.filter(user: "nobody") }

        // The row goes with time; the entries that named the grant still lead to the others.
        _ = try sqlite(log.test.path, "DELETE FROM grants WHERE id = \(tokens.grant)")
        #expect(try await all(log.vault, try await log.vault.log.filter(user: "bob")).count == 4)
    }

    @Test func `by token, known by its fingerprint alone`() async throws {
        let log = try await Log(entries: 3)
        let token = try log.tokens.refreshToken
        _ = try await log.party.refresh(token)
        let found = try await all(log.vault, log.vault.log.filter(token: token))
        #expect(found.map(\.operation) == ["token.refresh"])
        #expect(try await all(log.vault, log.vault.log.filter(token: Secret(copying: "another"))).isEmpty)
    }

    @Test func `by grant, outcome, operation and time, all at once`() async throws {
        let log = try await Log(entries: 3)
        log.test.clock.advance(by: .seconds(1000))
        let time = log.test.clock.now()
        _ = try await log.party.refresh(log.tokens.refreshToken)
        log.test.clock.advance(by: .seconds(1000))
        _ = try await log.party.begin()
        var filter = AuditFilter()
        filter.since = time
        filter.until = time.advanced(by: .seconds(1))
        #expect(try await all(log.vault, filter).map(\.operation) == ["token.refresh"])
        filter.outcome = "refused"
        #expect(try await all(log.vault, filter).isEmpty)
        filter = AuditFilter()
        filter.restrict(to: try await log.vault.log.filter(grant: log.tokens.grant.rawValue))
        #expect(
            try await all(log.vault, filter).map(\.operation) == [
                "grant.authorize", "token.code", "token.refresh",
            ])
        filter.operation = "token"
        #expect(try await all(log.vault, filter).map(\.operation) == ["token.code", "token.refresh"])
        filter.operation = "token.code"
        #expect(try await all(log.vault, filter, limit: 1).count == 1)
        filter.operation = "tok"
        #expect(try await all(log.vault, filter).isEmpty)
    }

    @Test func `a first use is found by its grant and its user, and by no other`() async throws {
        let log = try await Log(entries: 1)
        let bob = try await Party(log.vault, "other app", user: "bob")
        let others = try await bob.begin()
        for (party, tokens) in [(log.party, log.tokens), (bob, others)] {
            let next = try #require(await party.refresh(tokens.refreshToken).issued)
            _ = try await log.vault.validate(next.pair.accessToken)
        }
        await log.vault.close()
        let vault = try await log.test.reopen()
        func uses(_ filter: AuditFilter) async throws -> [AuditEntry] {
            var filter = filter
            filter.operation = "grant.first-use"
            return try await all(vault, filter)
        }
        let entry = try #require(try await uses(AuditFilter()).last)
        #expect(entry.grants.count == 2 && entry.grant == nil)
        for mark in entry.grants { #expect(mark.count == 32) }
        #expect(try await uses(vault.log.filter(user: "bob")).count == 1)
        let filter = try await vault.log.filter(grant: others.grant.rawValue)
        #expect(try await uses(filter).count == 1 && filter.names(entry))
        // Another grant of the same people: the marks say nothing of it.
        let third = try await vault.authorize(
            Authorization(
                client: "other app", user: "bob", scope: try #require(ScopeSet(parsing: "basic")),
                redirectURI: Party.redirectURI))
        #expect(try await uses(vault.log.filter(grant: third.grant.rawValue)).isEmpty)
        await vault.close()
    }

    @Test func `what was pruned is passed over`() async throws {
        let log = try await Log(entries: 600)
        _ = try await log.vault.log.prune(log.vault.log.planPrune(keeping: .newest(10)))
        let found = try await all(log.vault, AuditFilter(), limit: 1000)
        #expect(found.first?.index == 512)
        #expect(try await found.last?.index == log.vault.auditSize() - 1)
    }
}
