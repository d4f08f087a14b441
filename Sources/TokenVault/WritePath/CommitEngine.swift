import Foundation
import MerkleLog
import TokenRotation
import VaultCore
import VaultCrypto
import VaultStore

/// Turns a batch of bodies into one transaction, on the writer's thread.
///
/// ```
///  store: begin ─► vault row, head ─► each body ─► leaves, head, signature ─► store: commit ─► callers resume
/// ```
///
/// Everything that can fail comes before the commit. A body that throws loses only its own work; once the
/// transaction itself is gone nothing further runs and the whole batch gets 503.
final class CommitEngine: @unchecked Sendable {
    // @unchecked: the variables below are touched by the writer's thread only.
    let store: any VaultStore
    private let keys: LiveKeys
    private let registry: Registry
    private let firstUses: FirstUses
    private let refusals: RefusalLimiter
    private let trail = AuditTrail()
    private let clock: any VaultClock
    private let statistics: CommitStatistics
    /// The head that was last found to be signed; nil: look again.
    private var lastHead: LogHead?
    /// The newest head under a commit of this process, or the one that its file was opened with: every later log begins with
    /// it. Nil before the first commit to a remote store, which alone shows that what was found there is confirmed.
    private var ownHead: LogHead?
    private var lastClocks: (wall: VaultInstant, monotonic: Duration)?
    private var clockIsTrustedFrom = Duration.zero

    init(
        _ opened: OpenedStore, registry: Registry, firstUses: FirstUses, refusals: RefusalLimiter,
        statistics: CommitStatistics, clock: any VaultClock
    ) {
        store = opened.store
        keys = opened.keys
        ownHead = opened.store.isRemote ? nil : opened.head
        self.registry = registry
        self.firstUses = firstUses
        self.refusals = refusals
        self.statistics = statistics
        self.clock = clock
    }

    /// Commits `batch` and resumes its callers.
    ///
    /// - Parameter waiting: called now and then while another process writes. Callers whose time is up by then are told so.
    func commit(
        _ batch: WriteBatch, isRetry: Bool = false, isCareful: Bool = false, waiting: () -> Void
    ) {
        var start = ContinuousClock.now
        var transaction: WriteTransaction?
        var head: LogHead?
        var hasFailed = false
        var loss: VaultError?
        let outcome = store.commit(
            waiting: {
                waiting()
                guard transaction == nil, loss == nil else { return }
                let now = ContinuousClock.now
                batch.take { $0.deadline <= now }.finish(Self.busy)
                guard batch.count > 0 else { throw Self.busy }
            },
            { opened in
                start = ContinuousClock.now
                let begun: WriteTransaction
                do { begun = try begin(opened, batch, isCareful: isCareful) } catch let error as Lost {
                    // A server that was replaced may show that, and confirms nothing: no judgement before it does.
                    guard store.isRemote else { throw keys.stop(error.error) }
                    // Where no standby is wanted, it would confirm that all the same.
                    guard store.acceptsNewWork else { throw VaultError.serverWasReplaced }
                    loss = error.error
                    return StoreCommit(store.proof, isThere: nil)
                }
                (transaction, head) = (begun, nil)
                do {
                    // A networked store has only now looked whether what it confirms is safe.
                    let refusal = store.isRemote ? store.refusalOfNewWork() : nil
                    for job in batch.jobs {
                        if let refusal, job.urgency == .newWork {
                            job.reject(refusal)
                        } else {
                            try run(job, in: begun)
                        }
                    }
                    guard begun.collected.hasChanges || !begun.collected.entries.isEmpty else { return nil }
                    if !begun.collected.entries.isEmpty {
                        head = try trail.append(begun.collected.entries, to: begun.committed, in: begun)
                    }
                    return StoreCommit(
                        try begun.finish(), isThere: head.map(Self.shows),
                        emptiesLog: begun.collected.truncation != nil
                    )
                } catch let error as BatchFailed {
                    hasFailed = true
                    throw error
                }
            },
            durable: { isLogEmptied in
                if let loss { return batch.finish(keys.stop(loss)) }
                if let transaction { keys.committed(transaction, head ?? transaction.committed) }
                if let head { lastHead = head }
                if let own = head ?? transaction?.committed { ownHead = own }
                if let allowance = transaction?.refusals { refusals.settle(allowance) }
                statistics.committed(batch.count, logSize: lastHead?.size, since: start)
                transaction?.collected.truncation?.end(isLogEmptied)
                batch.finish(nil)
            })
        switch outcome {
        case .committed: batch.finish(nil)
        case .unchanged:
            if let allowance = transaction?.refusals { refusals.settle(allowance) }
            statistics.committed(batch.count, logSize: lastHead?.size, since: start)
            batch.finish(nil)
        case .failed where hasFailed && !isCareful, .notApplied where !isCareful:
            statistics.batchIsRepeated()
            commit(batch, isRetry: isRetry, isCareful: true, waiting: waiting)
        case .notApplied(let error), .failed(let error): fail(batch, error, isRetry: isRetry)
        case .unknown:
            lastHead = nil
            batch.finish(loss == nil ? CommitOutcome.isUnknown(store) : .serverWasReplaced)
        }
    }

    /// Whether a database shows a log that begins with this: others may have gone on with it.
    private static func shows(_ head: LogHead) -> @Sendable (Database) throws -> Bool {
        { try LogHead.read($0).extends(head, in: $0) }
    }

    /// Asks for the vault row, the head of the log, and the rows that the bodies named, at once.
    private func begin(
        _ opened: any StoreTransaction, _ batch: WriteBatch, isCareful: Bool
    ) throws -> WriteTransaction {
        let wanted = batch.jobs.flatMap(\.wanted)
        var last = LastCommit()
        var keys: SnapshotKeys?
        var rows: [StoredRow] = []
        var isKept = false
        func known() throws -> SnapshotKeys {
            if let keys { return keys }
            let (vault, head) = try last.rows
            try follow(head, opened, isKept)
            let current = try self.keys.keys(
                for: opened.database, vault.row.stamp, logSize: head.size, above: self.keys.floor,
                store.isRemote ? last : LastCommit(opened.database))
            try vault.check(current.keyring.rows)
            keys = current
            return current
        }
        // Where asking again costs a turn, and others write too, what proves their last entry is wanted, and whether our own is
        // where it was.
        let own = StoreQuestion(
            "SELECT hash FROM audit_leaves WHERE id = ?", [.integer((ownHead?.size ?? 0) - 1)])
        let first =
            store.isRemote ? LastCommit.questions + [own] : [VaultRow.question, LogHead.question]
        try opened.ask(first + wanted.map { StoreQuestion(row: $0.layout, $0.id) }) { place, cursor in
            guard place >= first.count else {
                guard place == LastCommit.questions.count else { return try last.take(place, cursor) }
                return isKept = cursor.value(0) == ownHead?.lastLeaf.map { .blob($0.bytes) }
            }
            // A row that does not fit is the business of the body that asks for it.
            if let row = try? StoredRow(
                reading: cursor, wanted[place - first.count].layout, rowKey: known().keyring.rows)
            {
                rows.append(row)
            }
        }
        let current = try known()
        let (vault, head) = (try last.rows.vault.row, try last.rows.head)
        try judge(head, current.keyring) { try last.isTimed(opened.database) }
        try self.keys.reach(vault, logSize: head.size)
        let time = opened.time ?? StoreTime(by: clock)
        let transaction = WriteTransaction(
            opened, keyring: current.keyring, registry: registry, firstUses: firstUses, vault: vault,
            head: head, now: time.now, monotonic: time.reading, clocksAgree: clocksAgree(head, time.now),
            revision: current.revision, isCareful: isCareful)
        for row in rows { transaction.know(row) }
        return transaction
    }

    private func run(_ job: any WriteJob, in transaction: WriteTransaction) throws {
        do {
            try transaction.run {
                var end = try job.run(in: transaction)
                guard end.events.contains(where: \.isLimited) else { return end }
                var allowance = transaction.refusals ?? refusals.allowance
                end.events = allowance.admit(end.events, at: clock.monotonic())
                transaction.refusals = allowance
                return end
            }
        } catch let error where error is TransactionGone || error is BatchFailed { throw error } catch {
            job.reject(error is Overtaken ? error : store.translate(error))
        }
    }

    /// Another process may have written since our last batch: its head must carry the vault's signature.
    private func judge(_ head: LogHead, _ keyring: Keyring, isTimed: () throws -> Bool) throws {
        if let lastHead, lastHead.size == head.size, lastHead.root == head.root { return }
        guard head.isSigned(by: keyring.signer.key), try isTimed() else {
            throw VaultError(
                .integrity, "The head of the audit log is not signed by this vault.",
                remedy: "Verify the audit log, then restore a backup.")
        }
        lastHead = head
    }

    /// What this process committed is in every log it may go on with: an older copy that others added to is signed, and
    /// longer, and lacks it.
    ///
    /// - Throws: ``Lost``.
    /// - Parameter isKept: our last entry is where it was.
    private func follow(_ head: LogHead, _ opened: any StoreTransaction, _ isKept: Bool) throws {
        // By the same connection as ever, what others added can only have gone on from there.
        guard let ownHead, !(opened.isContinued && isKept && head.size >= ownHead.size) else { return }
        if head.size == ownHead.size, head.root == ownHead.root { return }
        if let lastHead, head.size == lastHead.size, head.root == lastHead.root { return }
        guard try head.extends(ownHead, in: opened.database) else {
            throw Lost(error: LogHead.lost(ownHead, head))
        }
    }

    /// What this process committed is not there.
    private struct Lost: StoreSignal { let error: VaultError }

    /// Whether the wall clock may be believed when it says that something expired long ago. Not for an hour
    /// after it was set, nor after a start at which it was a day or more from the log.
    private func clocksAgree(_ head: LogHead, _ now: VaultInstant) -> Bool {
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

    private func fail(_ batch: WriteBatch, _ error: VaultError, isRetry: Bool) {
        lastHead = nil
        guard error.code == .outOfSpace, !isRetry else { return batch.finish(error) }
        let urgent = batch.take { $0.urgency == .finishing }
        batch.finish(error)
        // The store made room: what finishes something is tried once more, alone.
        if urgent.count > 0 { commit(urgent, isRetry: true, waiting: {}) }
    }

    private static let busy = VaultError(
        .busy, "Another process is writing to this vault.", remedy: "Try again in a moment.")
}
