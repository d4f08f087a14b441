import Foundation
import Synchronization
package import VaultCore
import VaultStore

/// Where writes wait their turn, and the thread that takes them in batches (group commit).
///
/// ```
///  submit ──► pending ──take ≤ 256──► CommitEngine.commit ──► callers resume
///     │          │
///   full: 503  deadline passed: 503
/// ```
///
/// Invariants:
/// - One thread commits. A batch is what had arrived when the commit before it ended; only behind a network it waits a moment.
/// - Every job is finished exactly once: by its batch, by its deadline, or by the close of the queue.
/// - A job whose body ran is no longer subject to its deadline; a cancelled caller does not stop its body.
/// - After ``close()`` no job is taken; those taken before are committed first.
package final class CommitQueue: @unchecked Sendable {
    // @unchecked: `pending` and the flags are touched under `condition` only.
    private let condition = NSCondition()
    private var pending: [any WriteJob] = []
    /// The number of pending jobs, read without the lock, which would hold up the callers that come back.
    private let waiting = Atomic(0)
    private var isIdle = false
    private var isClosing = false
    private var isDrained = false
    private let engine: CommitEngine

    init(_ engine: CommitEngine) {
        self.engine = engine
        let thread = Thread(block: commitUntilClosed)
        thread.stackSize = 4 << 20
        thread.start()
        thread.name = "vault.writer"  // Linux keeps 15 characters, of a thread that runs.
        let sweeper = Thread(block: expireUntilClosed)
        sweeper.start()
        sweeper.name = "vault.deadlines"
    }

    /// Runs `body` in a transaction and returns its result once that is on the disk.
    ///
    /// - Parameter wanted: rows that the body will ask for. One that is not named costs a networked store a turn.
    /// - Throws: what `body` threw; ``VaultError/Code/busy`` when the queue is full or the deadline passes;
    ///   ``VaultError/Code/outOfSpace``, ``VaultError/Code/ioFailure``, ``VaultError/Code/outcomeUnknown``.
    package func submit<Result: Sendable>(
        _ urgency: WriteUrgency, reading wanted: [WantedRow] = [],
        _ body: @escaping @Sendable (WriteTransaction) throws -> Audited<Result>
    ) async throws -> Result {
        if urgency == .newWork, let refusal = engine.store.refusalOfNewWork() { throw refusal }
        let job = BodyJob(urgency, reading: wanted, deadline: .now + Limits.writeQueueDeadline, body)
        // Kept until here, so that the caller's thread frees what it allocated.
        defer { withExtendedLifetime(job) {} }
        return try await withCheckedThrowingContinuation { continuation in
            job.continuation = continuation
            if let refusal = enqueue(job) { job.finish(refusal) }
        }
    }

    /// Commits what is pending, then stops the thread. Returns when it has stopped.
    ///
    /// - Returns: whether it was not closed before.
    func close() -> Bool {
        condition.withLock {
            let isFirst = !isClosing
            isClosing = true
            condition.broadcast()
            while !isDrained { condition.wait() }
            return isFirst
        }
    }

    /// Whether it takes no more jobs.
    var isClosed: Bool { condition.withLock { isClosing } }

    /// How many jobs wait now.
    var depth: Int { waiting.load(ordering: .relaxed) }

    private func enqueue(_ job: any WriteJob) -> VaultError? {
        condition.lock()
        guard !isClosing, pending.count < Limits.writeQueueLength else {
            defer { condition.unlock() }
            return isClosing ? Self.closed : Self.full
        }
        pending.append(job)
        waiting.store(pending.count, ordering: .relaxed)
        let wakes = isIdle
        isIdle = false
        condition.unlock()
        if wakes { condition.signal() }
        return nil
    }

    private func commitUntilClosed() {
        var last = (count: 1, time: Duration.zero)
        while let batch = takeBatch(after: last.count, last.time) {
            let (count, start) = (batch.count, ContinuousClock.now)
            engine.commit(batch) { [self] in expireOverdue() }
            last = (count, .now - start)
        }
        condition.withLock {
            isDrained = true
            condition.broadcast()
        }
    }

    /// Waits for work. Nil: closed, and nothing is pending.
    private func takeBatch(after lastCount: Int, _ time: Duration) -> WriteBatch? {
        if lastCount > 1 { letCallersReturn(lastCount, time) }
        condition.lock()
        defer { condition.unlock() }
        while pending.isEmpty {
            if isClosing { return nil }
            isIdle = true
            condition.wait()
        }
        return WriteBatch(take(min(pending.count, Limits.writeBatch)))
    }

    /// The first `count` pending jobs. Under the lock.
    private func take(_ count: Int) -> [any WriteJob] {
        defer { waiting.store(pending.count, ordering: .relaxed) }
        guard count < pending.count else {
            defer {
                pending = []
                pending.reserveCapacity(count)
            }
            return pending
        }
        defer { pending.removeFirst(count) }
        return Array(pending.prefix(count))
    }

    /// After a busy batch its callers are about to come back: the processor is theirs for a moment, or the
    /// next batch would hold the first of them alone. An idle vault never gets here.
    /// Behind a network a batch takes many times as long as its callers do: those who came during one would take turns with
    /// those in it for ever, in batches half as large.
    ///
    /// - Parameter time: of the last batch.
    private func letCallersReturn(_ count: Int, _ time: Duration) {
        guard engine.store.isRemote else {
            for _ in 0..<16 where depth * 2 < count { sched_yield() }
            return
        }
        let end = ContinuousClock.now + min(time / 4, .milliseconds(10))
        let all = min(depth + count, Limits.writeBatch)
        while depth < all, .now < end { usleep(100) }
    }

    /// The queue is in order of deadlines, since all are given the same time.
    private func expireOverdue() {
        let now = ContinuousClock.now
        let overdue = condition.withLock { take(pending.prefix { $0.deadline <= now }.count) }
        for job in overdue { job.finish(Self.late) }
    }

    /// While the writer waits for a disk that does not answer, callers behind it still get their 503 in time.
    private func expireUntilClosed() {
        while condition.withLock({ !isClosing }) {
            expireOverdue()
            Thread.sleep(forTimeInterval: 0.25)
        }
    }

    private static let full = VaultError(
        .busy, "Too many writes are waiting.", remedy: "Try again in a moment.")
    private static let late = VaultError(
        .busy, "This write waited too long; nothing was changed.",
        remedy: "Try again in a moment.")
    private static let closed = VaultError(.unavailable, "The vault is closing.", remedy: "Try again later.")
}

/// A row that a body names before it runs.
package struct WantedRow: Sendable {
    let layout: TableLayout
    let id: Int64

    static func grant(_ id: GrantID) -> WantedRow { WantedRow(layout: .grants, id: id.rawValue) }
    package static func connection(_ id: ConnectionID) -> WantedRow {
        WantedRow(layout: .connections, id: id.rawValue)
    }
}

/// What a write is for, which decides whether it is taken when space runs out.
package enum WriteUrgency: Sendable {
    /// Begins something new: refused while the ballast is gone.
    case newWork
    /// Finishes or protects something: revocations, and what must not be lost. May use the ballast's space.
    case finishing
    /// Upkeep in the background, which no leaf names.
    case housekeeping
}

/// A body in the queue, with the caller that waits for it.
protocol WriteJob: AnyObject, Sendable {
    var urgency: WriteUrgency { get }
    var wanted: [WantedRow] { get }
    /// When the caller stops waiting, on the monotonic clock. A body that has begun is not stopped.
    var deadline: ContinuousClock.Instant { get }
    /// Runs the body; its result waits for ``finish(_:)``.
    func run(in transaction: WriteTransaction) throws -> BodyEnd
    /// The body threw: the caller will get this, whatever becomes of the batch.
    func reject(_ error: any Error)
    /// Resumes the caller, once: with the body's result, or with `failure`.
    func finish(_ failure: VaultError?)
}

/// The jobs of one transaction.
final class WriteBatch {
    private(set) var jobs: [any WriteJob]

    init(_ jobs: [any WriteJob]) { self.jobs = jobs }

    var count: Int { jobs.count }

    /// Resumes the callers. Each job is let go before its caller goes on, who then frees it: two threads that free
    /// and allocate the same memory wait for each other.
    func finish(_ failure: VaultError?) {
        var ending = jobs
        jobs = []
        ending.reverse()
        while let job = ending.popLast() { job.finish(failure) }
    }

    /// Takes out some of the jobs.
    func take(_ isWanted: (any WriteJob) -> Bool) -> WriteBatch {
        let taken = jobs.filter(isWanted)
        jobs.removeAll(where: isWanted)
        return WriteBatch(taken)
    }
}

/// A body whose result is a `Result`.
final class BodyJob<Result: Sendable>: WriteJob, @unchecked Sendable {
    // @unchecked: after init only the queue touches it, one thread at a time (the writer's, or under the queue's lock
    // the one that expires it).
    let urgency: WriteUrgency
    let wanted: [WantedRow]
    let deadline: ContinuousClock.Instant
    private let body: @Sendable (WriteTransaction) throws -> Audited<Result>
    fileprivate var continuation: CheckedContinuation<Result, any Error>?
    private var outcome: Swift.Result<Result, any Error>?

    init(
        _ urgency: WriteUrgency, reading wanted: [WantedRow], deadline: ContinuousClock.Instant,
        _ body: @escaping @Sendable (WriteTransaction) throws -> Audited<Result>
    ) {
        self.urgency = urgency
        self.wanted = wanted
        self.deadline = deadline
        self.body = body
    }

    func run(in transaction: WriteTransaction) throws -> BodyEnd {
        let audited = try body(transaction)
        outcome = .success(audited.result)
        return BodyEnd(events: audited.events, kind: audited.kind)
    }

    func reject(_ error: any Error) { outcome = .failure(error) }

    func finish(_ failure: VaultError?) {
        guard let continuation else { return }
        let outcome = outcome
        self.continuation = nil
        self.outcome = nil
        if case .failure(let rejection) = outcome {
            continuation.resume(throwing: rejection)
        } else if let failure {
            continuation.resume(throwing: failure)
        } else if case .success(let result) = outcome {
            continuation.resume(returning: result)
        } else {
            continuation.resume(throwing: VaultError(.internalError, "A write ended without a result."))
        }
    }
}

/// A request to empty the WAL, and whether that was done.
final class WALTruncation: Sendable {
    private let outcome = Mutex<Result<Bool, VaultError>>(.success(false))

    /// - Returns: false when a reader still needs what is in the WAL.
    func isDone() throws -> Bool { try outcome.withLock { try $0.get() } }
    func end(_ result: Result<Bool, VaultError>) { outcome.withLock { $0 = result } }
}

extension Vault {
    /// Copies the WAL back into the database and empties it: what was overwritten (`secure_delete`) is then in neither.
    ///
    /// - Throws: ``VaultError/Code/busy`` while a process reads an old state for some seconds; errors of the disk.
    package func truncateWAL() async throws {
        for _ in 0..<50 {
            let request = WALTruncation()
            try await queue.submit(.finishing) { transaction in
                transaction.truncateWAL(request)
                return .upkeep(())
            }
            if try request.isDone() { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw VaultError(
            .busy,
            "A process has been reading an old state of the vault for seconds; its WAL could not be emptied.",
            remedy: "Run the same command again when long readers (backup, audit verify) are done.")
    }
}
