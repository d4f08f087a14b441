import Foundation
import PostgresStore
import Synchronization
import TestStores
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

@Suite(.bounded, .onPostgres) struct `Checks of tokens that wait together on PostgreSQL` {
    /// Checks every token while all threads for reading are held.
    ///
    /// - Returns: for each whether it is valid, nil for an error; and how often the server was waited for.
    private func checkTogether(
        _ tokens: [SecretBytes], in vault: Vault
    ) async throws -> (valid: [Bool?], turns: Int) {
        let store = try #require(vault.store as? PostgresStore)
        let (held, isOver) = (Counted(), DispatchSemaphore(value: 0))
        let turns = store.readingTurns
        let threads = 4
        let valid = try await withThrowingTaskGroup(of: (Int, Bool?)?.self) { group in
            for _ in 0..<threads {
                group.addTask {
                    try await vault.read { _ in
                        held.add()
                        isOver.wait()
                    }
                    return nil
                }
            }
            #expect(try await Waiting.until { held.value == threads })
            for (place, token) in tokens.enumerated() {
                group.addTask {
                    held.add()
                    do { return (place, try await vault.validate(token) != nil) } catch {
                        #expect((error as? VaultError)?.code == .integrity)
                        return (place, nil)
                    }
                }
            }
            #expect(try await Waiting.until { held.value == threads + tokens.count })
            try await Waiting.pass(.milliseconds(200))
            for _ in 0..<threads { isOver.signal() }
            return try await group.reduce(into: [Bool?](repeating: nil, count: tokens.count)) {
                valid, found in
                if let found { valid[found.0] = found.1 }
            }
        }
        return (valid, store.readingTurns - turns)
    }

    @Test func `64 share four turns, also after another process committed; one that fails fails alone`()
        async throws
    {
        let test = try await TestVault()
        let other = try await test.reopen()
        let party = try await Party(test.vault)
        var (tokens, grants) = ([SecretBytes](), [GrantID]())
        for _ in 0..<64 {
            let issued = try await party.begin()
            tokens.append(issued.pair.accessToken)
            grants.append(try #require(try await test.vault.validate(issued.pair.accessToken)).grant)
        }
        var checked = try await checkTogether(tokens, in: test.vault)
        #expect(checked.valid == Array(repeating: true, count: 64))
        #expect(checked.turns == 4)

        // Another's new grant changes the vault row and the log: each turn has to read those, too.
        let theirs = try #require(await party.redeem(party.authorize(), in: other).issued)
        checked = try await checkTogether(tokens, in: test.vault)
        #expect(checked.valid == Array(repeating: true, count: 64))
        #expect(checked.turns <= 12)

        try await other.grants.revoke(grants[3])
        try await test.vault.housekeep { [grants] transaction in
            transaction.put(
                RowWrite(
                    "UPDATE grants SET swapped_at = swapped_at + 1 WHERE id = ?",
                    [.integer(grants[5].rawValue)]))
        }
        tokens[7] = theirs.pair.accessToken
        tokens[8] = Secret(copying: "no token of ours")
        checked = try await checkTogether(tokens, in: test.vault)
        var expected = [Bool?](repeating: true, count: 64)
        (expected[3], expected[5], expected[8]) = (false, nil, false)
        #expect(checked.valid == expected)
        await other.close()
        await test.vault.close()
    }
}

private final class Counted: Sendable {
    private let count = Atomic<Int>(0)
    func add() { count.add(1, ordering: .acquiringAndReleasing) }
    var value: Int { count.load(ordering: .acquiring) }
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
