import Foundation
import VaultCore

/// A few threads for reads that wait for a network, so that no thread that tasks share waits with them.
///
/// A read that finds all of them busy waits in the queue; one that finds the queue full is refused.
package final class ReadingThreads: @unchecked Sendable {
    // @unchecked: the variables are touched under `condition` only.
    private let condition = NSCondition()
    /// Nil: taken already.
    private var waiting: [(until: ContinuousClock.Instant, run: Work)?] = []
    /// How many of `waiting` were taken already: they are removed many at once.
    private var taken = 0
    private var isClosed = false

    /// Is told whether it waited too long.
    private typealias Work = @Sendable (_ isLate: Bool) -> Void

    private static let count = 4
    private static let capacity = 4096
    private static let mostTaken = 1024
    private static let patience = Duration.seconds(10)

    package init() {
        for _ in 0..<Self.count {
            let thread = Thread(block: work)
            thread.name = "tokenvault.reader"
            thread.stackSize = 4 << 20
            thread.start()
        }
    }

    /// Runs `body` on one of the threads. The caller does nothing until it is done, so that what `body` uses is never used by
    /// both at once.
    ///
    /// - Throws: what `body` throws; ``VaultError/Code/busy``, ``VaultError/Code/unavailable`` after ``close()``.
    package func run<Result>(_ body: @escaping () throws -> Result) async throws -> Result {
        let body = Crossing(body)
        let result = await withCheckedContinuation { continuation in
            let refusal = enqueue { isLate in
                let result = Swift.Result {
                    if isLate { throw Self.busy }
                    return try body.value()
                }
                continuation.resume(returning: Crossing(result))
            }
            if let refusal { continuation.resume(returning: Crossing(.failure(refusal))) }
        }
        return try result.value.get()
    }

    /// The threads end when they have done what waits.
    package func close() {
        condition.withLock {
            isClosed = true
            condition.broadcast()
        }
    }

    private static let busy = VaultError(
        .busy, "Too many reads are waiting for the database server.", remedy: "Try again in a moment.")

    private func enqueue(_ work: @escaping Work) -> VaultError? {
        condition.withLock {
            guard !isClosed else { return VaultError(.unavailable, "The vault is closed.") }
            guard waiting.count - taken < Self.capacity else { return Self.busy }
            waiting.append((.now + Self.patience, work))
            condition.signal()
            return nil
        }
    }

    private func work() {
        while let next = take() { next.run(ContinuousClock.now > next.until) }
    }

    private func take() -> (until: ContinuousClock.Instant, run: Work)? {
        condition.withLock {
            while taken == waiting.count {
                if isClosed { return nil }
                condition.wait()
            }
            // What it holds, tokens among it, stays no longer than it runs.
            let next = waiting[taken].take()
            taken += 1
            if taken == waiting.count || taken >= Self.mostTaken {
                waiting.removeFirst(taken)
                taken = 0
            }
            return next
        }
    }
}

/// A value that goes to another thread and comes back, never on two at once.
private struct Crossing<Value>: @unchecked Sendable {
    // @unchecked: see ``ReadingThreads/run(_:)``.
    let value: Value

    init(_ value: Value) { self.value = value }
}
