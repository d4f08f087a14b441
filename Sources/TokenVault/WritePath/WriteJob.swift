import VaultCore

/// What a write is for, which decides whether it is taken when space runs out.
enum WriteUrgency: Sendable {
    /// Begins something new: refused while the ballast is gone.
    case newWork
    /// Finishes or protects something: revocations, and what must not be lost. May use the ballast's space.
    case finishing
    /// Upkeep that nobody waits for and no leaf names.
    case housekeeping
}

/// A body in the queue, with the caller that waits for it.
protocol WriteJob: AnyObject, Sendable {
    var urgency: WriteUrgency { get }
    /// When the caller stops waiting, on the monotonic clock. A body that has begun is not stopped.
    var deadline: ContinuousClock.Instant { get }
    /// Runs the body; its result waits for ``finish(_:)``.
    func run(in transaction: WriteTransaction) throws -> [AuditEvent]
    /// The body threw: the caller will get this, whatever becomes of the batch.
    func reject(_ error: VaultError)
    /// Resumes the caller, once: with the body's result, or with `failure`.
    func finish(_ failure: VaultError?)
}

/// A body whose result is a `Result`.
final class BodyJob<Result: Sendable>: WriteJob, @unchecked Sendable {
    // @unchecked: after init only the queue touches it, one thread at a time (the writer's, or under the queue's lock
    // the one that expires it).
    let urgency: WriteUrgency
    let deadline: ContinuousClock.Instant
    private let body: @Sendable (WriteTransaction) throws -> (Result, [AuditEvent])
    private var continuation: CheckedContinuation<Result, any Error>?
    private var outcome: Swift.Result<Result, VaultError>?

    init(
        _ urgency: WriteUrgency, deadline: ContinuousClock.Instant,
        continuation: CheckedContinuation<Result, any Error>,
        _ body: @escaping @Sendable (WriteTransaction) throws -> (Result, [AuditEvent])
    ) {
        self.urgency = urgency
        self.deadline = deadline
        self.body = body
        self.continuation = continuation
    }

    func run(in transaction: WriteTransaction) throws -> [AuditEvent] {
        let (result, events) = try body(transaction)
        outcome = .success(result)
        return events
    }

    func reject(_ error: VaultError) { outcome = .failure(error) }

    func finish(_ failure: VaultError?) {
        guard let continuation else { return }
        self.continuation = nil
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
