import Foundation
import SQLiteStore
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

/// A vault in memory whose writer can be held back, so that what is asked for meanwhile is one batch.
private struct Crowd: Sendable {
    let store: MemoryStore
    let vault: Vault
    let party: Party
    /// What the writer is busy with while a batch gathers.
    let plug: SecretBytes
    let clock = SettableClock()

    init() async throws {
        store = try MemoryStore()
        vault = try await Vault.create(
            in: store, unlockedBy: .heldKey(.random()), configuration: VaultConfiguration(clock: clock))
        party = try await Party(vault)
        plug = try await party.begin().refreshToken
    }

    /// Runs `works` in one batch.
    func together<Value: Sendable>(
        _ works: [@Sendable () async throws -> Value]
    ) async throws -> [Result<Value, any Error>] {
        let isHeld = Atomic<Bool>(false)
        let isOver = DispatchSemaphore(value: 0)
        // A reader holds the writer up.
        BlockingThread.run { [store] in
            try? store.withOwnReader { _ in
                isHeld.store(true, ordering: .releasing)
                isOver.wait()
            }
        }
        let isHolding = try await Waiting.until { isHeld.load(ordering: .acquiring) }
        #expect(isHolding)
        // The writer takes this one alone, and waits with it.
        let first = Task { try await party.refresh(plug) }
        let isWaiting = try await Waiting.until(every: .milliseconds(1)) { store.isHeldUp }
        #expect(isWaiting)
        let results = try await withThrowingTaskGroup(of: (Int, Result<Value, any Error>).self) { group in
            for (place, work) in works.enumerated() {
                group.addTask {
                    do { return (place, .success(try await work())) } catch {
                        return (place, .failure(error))
                    }
                }
            }
            let isThere = try await Waiting.until(every: .milliseconds(1)) {
                vault.queueDepth == works.count
            }
            isOver.signal()
            #expect(isThere)
            return try await group.reduce(into: [(Int, Result<Value, any Error>)]()) { $0.append($1) }
                .sorted { $0.0 < $1.0 }.map(\.1)
        }
        _ = try await first.value
        return results
    }
}

@Suite(.bounded) struct `A batch: bodies decide, and are written together` {
    @Test func `64 swaps take two turns of the store: questions, and writes with the commit`() async throws {
        let crowd = try await Crowd()
        var tokens: [SecretBytes] = []
        for _ in 0..<64 { tokens.append(try await crowd.party.begin().refreshToken) }
        let (commits, bodies) = (crowd.store.turns.count, crowd.vault.statistics.bodies)
        let results = try await crowd.together(
            tokens.map { token in { try await crowd.party.refresh(token) } })
        #expect(results.allSatisfy { (try? $0.get().issued) != nil })
        #expect(crowd.vault.statistics.bodies - bodies == 65)
        #expect(crowd.store.turns.count == commits + 2)
        #expect(crowd.store.turns.last == 2)
        #expect(try await crowd.vault.log.verify().isIntact)
    }

    @Test func `what strangers send at once never makes a batch run again`() async throws {
        let crowd = try await Crowd()
        let (vault, party) = (crowd.vault, crowd.party)
        let code = try await party.authorize()
        let token = try await party.begin().refreshToken
        let end = crowd.clock.now().advanced(by: .seconds(60))
        var works: [@Sendable () async throws -> String] = []
        for number in 0..<12 {
            works.append { (try await party.redeem(code)).issued == nil ? "refused" : "redeemed" }
            works.append { (try await party.refresh(token)).refusal == nil ? "refreshed" : "refused" }
            works.append {
                try await vault.useAssertion("one", of: party.client.id, until: end) ? "used" : "again"
            }
            works.append {
                _ = try await vault.startSession(
                    user: party.user.id, signedInAt: end, lifetime: .seconds(3600))
                return "session"
            }
            works.append {
                try await vault.consents.remember(
                    ofUser: party.user.id, toClient: party.client.id,
                    scope: try #require(ScopeSet(parsing: "basic")))
                return "consent"
            }
            works.append { try await vault.grants.revoke(token, by: party.client) ? "revoked" : "over" }
            works.append {
                _ = try await vault.users.add("user \(number % 3)"); return "user"
            }
        }
        var random = SeededGenerator("a batch of strangers")
        let results = try await crowd.together(works.shuffled(using: &random))
        let answers = results.compactMap { try? $0.get() }
        #expect(answers.count { $0 == "used" } == 1)
        #expect(answers.count { $0 == "user" } == 3)
        #expect(answers.count { $0 == "session" } == 12)
        #expect(vault.statistics.repeated == 0)
        #expect(try await vault.log.verify().isIntact)
    }

    /// Puts a row where the next grant will go, as only who can write the file does.
    private func plantGrant(_ test: TestVault) throws {
        _ = try sqlite(
            test.path,
            """
            INSERT INTO grants SELECT (SELECT next_grant_id FROM vault), client_id, owner_id, owner_revocations,
            client_revocations, kind, created_at, absolute_expires_at, scope, context, family_tag, tag_key_id, state,
            generation, idle_expires_at, swapped_at, credential_tag, previous_credential_tag, access_scope,
            access_audience, access_issued_at, access_expires_at, access_tag, previous_access_scope,
            previous_access_audience, previous_access_issued_at, previous_access_expires_at, previous_access_tag, pair,
            expires_day, first_used_at, stale_uses, last_stale_at, leaf, row_tag FROM grants LIMIT 1
            """)
    }

    /// Who can write the file plants a row where the next one will go: the one that runs into it is told, and takes no other along.
    @Test(.ofFiles) func `a row that cannot be written fails its own body alone`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens: [SecretBytes] = []
        for _ in 0..<24 { tokens.append(try await party.begin().refreshToken) }
        try plantGrant(test)
        let outcomes = try await withThrowingTaskGroup(of: VaultError.Code?.self) { group in
            for token in tokens {
                group.addTask {
                    let result = try await party.refresh(token)
                    #expect(result.issued != nil)
                    return nil
                }
            }
            group.addTask {
                do { _ = try await party.authorize() } catch { return (error as? VaultError)?.code }
                return nil
            }
            return try await group.reduce(into: [VaultError.Code]()) { if let code = $1 { $0.append(code) } }
        }
        #expect(outcomes == [.integrity])
        #expect(test.vault.statistics.repeated >= 1)
    }

    @Test(.ofFiles) func `refusals in a batch that is run again are counted once`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens: [SecretBytes] = []
        for _ in 0..<40 {
            let grant = try await party.begin()
            try await test.vault.grants.revoke(grant.grant)
            tokens.append(try grant.refreshToken)
        }
        try plantGrant(test)
        await withTaskGroup(of: Void.self) { group in
            for token in tokens { group.addTask { _ = try? await party.refresh(token) } }
            group.addTask { _ = try? await party.authorize() }
        }
        #expect(test.vault.statistics.repeated >= 1)
        await test.vault.close()
        let vault = try await test.reopen()
        let refused = try await vault.log.entries(limit: 1000).filter { $0.outcome == "refused" }
        #expect(refused.reduce(0) { $0 + ($1.count ?? 1) } == 40)
        #expect(refused.count { $0.operation == "token.refresh" } >= Limits.auditedRefusalsAtOnce)
        await vault.close()
    }
}
