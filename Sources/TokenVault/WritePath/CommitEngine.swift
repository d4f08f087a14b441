import Foundation
import GRDB
import GRDBSQLite
import MerkleLog
import Synchronization
import VaultCore
import VaultCrypto

/// Turns a batch of bodies into one transaction: on the writer's thread, under the vault's lock.
///
/// ```
///  lock ─► BEGIN ─► read vault row, head ─► each body in its savepoint ─► leaves, head, signature
///        ─► COMMIT ─► callers resume ─► checkpoint when due ─► unlock
///               └─ failed ─► settle: is our last leaf there? ─► committed | not | unknown
/// ```
///
/// Everything that can fail comes before COMMIT. A body that throws loses its savepoint and nobody else's; once the
/// transaction itself is gone nothing further runs and the whole batch gets 503.
final class CommitEngine: @unchecked Sendable {
    // @unchecked: `store`'s writer and the variables below are touched by the writer's thread only.
    let store: Store
    let ballast: Ballast
    private let keys: LiveKeys
    private let registry: Registry
    private let firstUses: FirstUses
    private let refusals: RefusalLimiter
    private let trail = AuditTrail()
    private let clock: any VaultClock
    private let statistics: CommitStatistics
    private var lastHead: LogHead?
    private var failures = 0
    private var needsReopening = false
    private var lastClocks: (wall: VaultInstant, monotonic: Duration)?
    private var clockIsTrustedFrom = Duration.zero

    init(
        store: Store, ballast: Ballast, keys: LiveKeys, registry: Registry, firstUses: FirstUses,
        refusals: RefusalLimiter, statistics: CommitStatistics, clock: any VaultClock
    ) {
        self.store = store
        self.ballast = ballast
        self.keys = keys
        self.registry = registry
        self.firstUses = firstUses
        self.refusals = refusals
        self.statistics = statistics
        self.clock = clock
    }

    /// Commits `batch` and resumes its callers.
    ///
    /// - Parameter waiting: called now and then while another process holds the lock.
    func commit(_ batch: [any WriteJob], isRetry: Bool = false, waiting: () -> Void) {
        guard failures < 2 else { return Self.finish(batch, Self.down) }
        do {
            try commitInTurn(batch, until: .now + Limits.writeQueueDeadline, waiting)
        } catch {
            // As when a directory was replaced, with the lock.
            if (error as? VaultError)?.code == .unavailable { try? store.lookAtFiles() }
            fail(batch, error, isRetry: isRetry)
        }
    }

    private func commitInTurn(
        _ batch: [any WriteJob], until patience: ContinuousClock.Instant, _ waiting: () -> Void
    ) throws {
        while true {
            do {
                return try store.lock.withWriterLock(
                    waiting: {
                        waiting()
                        guard ContinuousClock.now < patience else { throw VaultLock.busy }
                    },
                    { try commitUnderLock(batch) })
            } catch let error as DatabaseError
                where error.resultCode == .SQLITE_BUSY && ContinuousClock.now < patience
            {
                // A program that does not know the lock writes. It is waited for without the lock, for others' sake.
                waiting()
                usleep(1000)
            }
        }
    }

    private func commitUnderLock(_ batch: [any WriteJob]) throws {
        if needsReopening {
            try store.reopen()
            needsReopening = false
        }
        try store.checkFiles()
        let prepared: Prepared?
        let start = ContinuousClock.now
        do {
            prepared = try store.writer.inDatabase { try self.transact(batch, $0) }
        } catch let error as UncertainCommit {
            try settle(error, batch)
            return
        }
        if let head = prepared?.head { lastHead = head }
        statistics.committed(batch.count, logSize: lastHead?.size, since: start)
        // Who asked for it waits for it; what is committed stands whatever comes of it.
        if let truncation = prepared?.truncation, (try? store.truncateWAL()) == true {
            truncation.succeeded()
        }
        Self.finish(batch, nil)
        do {
            try store.checkpointIfDue()
        } catch {
            // What is committed stays in the WAL. Want of space or a busy file passes, and the next commit tries again;
            // a sync that failed once is not asked again (see Store).
            guard StorageFailure.translate(error).code == .ioFailure else { return }
            failures += 1
            store.stopCheckpoints()
        }
    }

    private struct Prepared {
        let head: LogHead?
        var truncation: WALTruncation?
    }

    /// The transaction itself. Throws with nothing committed, or ``UncertainCommit``.
    private func transact(_ batch: [any WriteJob], _ database: Database) throws -> Prepared {
        try database.run("BEGIN IMMEDIATE")
        var head: LogHead
        var transaction: WriteTransaction
        do {
            try store.ledger.refuseNewer(database)
            let current = try keys.keys(for: database, above: keys.floor)
            let keyring = current.keyring
            let vault = try VaultRow.read(database, rowKey: keyring.rows)
            head = try LogHead.read(database)
            try judge(head, keyring, database)
            try keys.reach(vault, logSize: head.size)
            transaction = WriteTransaction(
                database, keyring: keyring, registry: registry, firstUses: firstUses, vault: vault,
                head: head, now: clock.now(), monotonic: clock.reading(),
                clocksAgree: clocksAgree(head),
                revision: current.revision)
            for job in batch { try run(job, in: transaction) }
            guard transaction.hasChanges || !transaction.entries.isEmpty else {
                try database.run("ROLLBACK")
                return Prepared(head: nil)
            }
            if !transaction.entries.isEmpty {
                head = try trail.append(transaction.entries, to: head, in: transaction)
            }
            try transaction.finish()
        } catch {
            rollBack(database)
            throw error
        }
        do {
            try database.run("COMMIT")
        } catch {
            rollBack(database)
            throw UncertainCommit(
                cause: error, lastLeaf: transaction.entries.isEmpty ? nil : (head.size - 1, head.root))
        }
        keys.committed(transaction, head)
        return Prepared(head: head, truncation: transaction.truncation)
    }

    /// A body in its own savepoint.
    private func run(_ job: any WriteJob, in transaction: WriteTransaction) throws {
        let database = transaction.database
        try database.run("SAVEPOINT body")
        transaction.beginBody()
        do {
            let events = refusals.admit(try job.run(in: transaction), at: clock.monotonic())
            try transaction.endBody(events)
            try database.run("RELEASE body")
        } catch {
            // SQLITE_FULL and some I/O errors roll back everything, not just the savepoint.
            guard !StorageFailure.concernsStorage(error), Self.isInTransaction(database) else { throw error }
            try database.run("ROLLBACK TO body")
            try database.run("RELEASE body")
            transaction.abandonBody()
            job.reject(StorageFailure.translate(error))
        }
    }

    /// Another process may have written since our last batch: its head must carry the vault's signature.
    private func judge(_ head: LogHead, _ keyring: Keyring, _ database: Database) throws {
        if let lastHead, lastHead.size == head.size, lastHead.root == head.root { return }
        guard head.isSigned(by: keyring.signer.key), try head.isTimed(database),
            lastHead.map({ $0.size < head.size }) ?? true
        else {
            throw VaultError(
                .integrity,
                "The head of the audit log is not signed by this vault, or lies behind what was there.",
                remedy: "Run 'tokenvault audit verify', then restore a backup.")
        }
        lastHead = head
    }

    /// Whether the wall clock may be believed when it says that something expired long ago. Not for an hour
    /// after it was set, nor after a start at which it was a day or more from the log.
    private func clocksAgree(_ head: LogHead) -> Bool {
        let now = clock.now()
        let monotonic = clock.monotonic()
        let drift: Int64
        if let lastClocks {
            let wall = now.millisecondsSince1970 - lastClocks.wall.millisecondsSince1970
            drift = abs(wall - (monotonic - lastClocks.monotonic).milliseconds)
        } else {
            let distance = abs(now.millisecondsSince1970 - head.lastTime.millisecondsSince1970)
            drift = distance < 86_400_000 ? 0 : distance
        }
        lastClocks = (now, monotonic)
        if drift >= 60_000 { clockIsTrustedFrom = monotonic + .seconds(3600) }
        return monotonic >= clockIsTrustedFrom
    }

    /// COMMIT failed: asks the disk whether the transaction is there.
    ///
    /// - Throws: what the callers are told when it is not. They are told outside the lock, where a retry may take it.
    private func settle(_ uncertain: UncertainCommit, _ batch: [any WriteJob]) throws {
        lastHead = nil
        let isFull = StorageFailure.translate(uncertain.cause).code == .outOfSpace
        if isFull {
            // Opening the file again needs room for the index of the WAL.
            ballast.giveUp()
        } else {
            failures += 1
        }
        do {
            guard failures < 2 else { throw Self.unknown }
            guard let isThere = try store.isCommitted(uncertain) else {
                return Self.finish(batch, Self.unknown)
            }
            guard isThere else { throw NotCommitted(cause: uncertain.cause) }
            Self.finish(batch, nil)
        } catch let error as NotCommitted {
            throw error.cause
        } catch {
            if isFull {
                // Space comes back, unlike a broken disk: the next commit tries again.
                needsReopening = true
            } else {
                failures = 2
                store.shutDown()
            }
            Self.finish(batch, Self.unknown)
        }
    }

    private struct NotCommitted: Error { let cause: any Error }

    private func fail(_ batch: [any WriteJob], _ cause: any Error, isRetry: Bool) {
        let error = StorageFailure.translate(cause)
        guard error.code == .outOfSpace, !isRetry else { return Self.finish(batch, error) }
        ballast.giveUp()
        let (urgent, others) = batch.split { $0.urgency == .finishing }
        Self.finish(others, error)
        // The ballast made room: what finishes something is tried once more, alone.
        if !urgent.isEmpty { commit(urgent, isRetry: true, waiting: {}) }
    }

    private func rollBack(_ database: Database) {
        if Self.isInTransaction(database) { try? database.run("ROLLBACK") }
    }

    private static func isInTransaction(_ database: Database) -> Bool {
        database.sqliteConnection.map { sqlite3_get_autocommit($0) == 0 } ?? false
    }

    private static func finish(_ batch: [any WriteJob], _ failure: VaultError?) {
        for job in batch { job.finish(failure) }
    }

    private static let down = VaultError(
        .unavailable, "The disk failed twice; the vault takes no more writes.",
        remedy: "Check the disk, run 'tokenvault audit verify', and restart.")
    private static let unknown = VaultError(
        .outcomeUnknown, "The disk failed while committing; whether the change is there cannot be told now.",
        remedy: "Check the disk, run 'tokenvault audit verify', and restart.")
}

extension Array {
    /// The elements that meet a condition, and the others, in order.
    fileprivate func split(_ isFirst: (Element) -> Bool) -> (first: [Element], others: [Element]) {
        (filter(isFirst), filter { !isFirst($0) })
    }
}
