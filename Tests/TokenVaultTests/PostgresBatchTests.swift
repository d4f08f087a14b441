import Foundation
import PostgresStore
import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

extension Trait where Self == ConditionTrait {
    static var onPostgres: Self { .enabled(if: TestStore.isPostgres, "about a server") }
}

@Suite(.bounded, .onPostgres) struct `A batch on PostgreSQL` {
    /// Gives `works` to the vault while another process has the lock, so that they are one batch.
    private func together(
        _ vault: Vault, held by: PostgresStore, _ works: [@Sendable () async throws -> Bool]
    ) async throws -> [Bool] {
        let (isHeld, isOver) = (Handoff<Void>(), DispatchSemaphore(value: 0))
        BlockingThread.run {
            _ = by.commit(
                waiting: {},
                { transaction in
                    try transaction.ask([]) { _, _ in }
                    isHeld.put(())
                    isOver.wait()
                    return nil
                }, durable: { _ in })
        }
        try await BlockingThread.result { isHeld.take() }
        // The writer takes this one alone, and waits with it.
        let first = Task { try await vault.proveWritePath() }
        #expect(try await Waiting.until { vault.queueDepth == 0 })
        try await Waiting.pass(.milliseconds(100))
        return try await withThrowingTaskGroup(of: Bool.self) { group in
            for work in works { group.addTask { try await work() } }
            let isThere = try await Waiting.until(every: .milliseconds(1)) { vault.queueDepth == works.count }
            isOver.signal()
            #expect(isThere)
            let results = try await group.reduce(into: [Bool]()) { $0.append($1) }
            try await first.value
            return results
        }
    }

    @Test func `64 swaps take two turns: all questions, and all writes with the commit`() async throws {
        let test = try await TestVault()
        let database = try #require(test.database)
        let store = try #require(test.vault.store as? PostgresStore)
        let other = try database.open()
        let party = try await Party(test.vault)
        var tokens: [SecretBytes] = []
        for _ in 0..<64 { tokens.append(try await party.begin().refreshToken) }
        // The statements are prepared once.
        for _ in 0..<2 {
            let bodies = test.vault.statistics.bodies
            tokens = try await party.swapAll(tokens) { try await together(test.vault, held: other, $0) }
            #expect(test.vault.statistics.bodies - bodies == 65)
            #expect(store.newestTurns == 2)
        }
        #expect(test.vault.statistics.repeated == 0)
        #expect(try await test.vault.log.verify().isIntact)
        try other.close()
        await test.vault.close()
    }

    @Test func `what another process committed meanwhile costs no turn, whatever the size of the log`()
        async throws
    {
        let test = try await TestVault()
        let store = try #require(test.vault.store as? PostgresStore)
        let other = try await test.reopen()
        var size: Int64 = 0
        for number in 0..<540 {
            _ = try await other.users.add("user \(number)")
            size = try await other.auditSize()
            try await test.vault.housekeep { [proof = store.proof] transaction in
                proof.forEach { transaction.put($0) }
            }
            // Below such a size are several tiles, and all but the last are asked for.
            #expect(store.newestTurns == (size % 512 == 0 ? 3 : 2), "size \(size)")
        }
        #expect(size > 520)
        let party = try await Party(test.vault)
        var (ours, theirs) = (try await party.begin().refreshToken, try await party.begin().refreshToken)
        for _ in 0..<3 {
            for _ in 0..<4 {
                theirs = try #require(await party.refresh(theirs, in: other).issued).refreshToken
            }
            ours = try #require(await party.refresh(ours).issued).refreshToken
            #expect(store.newestTurns == 2)
        }
        #expect(try await other.log.verify().isIntact)
        await other.close()
        await test.vault.close()
    }

    @Test func `two processes take turns, each seeing what the other did`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let party = try await Party(test.vault)
        var token = try await party.begin().refreshToken
        for turn in 0..<20 {
            let vault = turn % 2 == 0 ? other : test.vault
            token = try #require(await party.refresh(token, in: vault).issued).refreshToken
        }
        #expect(try await other.log.verify().isIntact)
        await other.close()
        await test.vault.close()
    }
}

extension Party {
    /// Swaps all tokens in what `run` makes of it.
    fileprivate func swapAll(
        _ tokens: [SecretBytes], _ run: ([@Sendable () async throws -> Bool]) async throws -> [Bool]
    ) async throws -> [SecretBytes] {
        let swapped = Swapped()
        let results = try await run(
            tokens.map { token in
                {
                    guard let issued = try await refresh(token).issued else { return false }
                    swapped.add(try issued.refreshToken)
                    return true
                }
            })
        #expect(results.count == tokens.count && !results.contains(false))
        return swapped.all
    }
}

private final class Swapped: @unchecked Sendable {
    // @unchecked: `tokens` is touched under the lock only.
    private let lock = NSLock()
    private var tokens: [SecretBytes] = []

    func add(_ token: SecretBytes) { lock.withLock { tokens.append(token) } }
    var all: [SecretBytes] { lock.withLock { tokens } }
}
