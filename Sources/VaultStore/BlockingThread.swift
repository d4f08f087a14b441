import Foundation

/// A thread for one piece of work that blocks (opening, closing, verifying), so that tasks are not held up by it.
package enum BlockingThread {
    package static func run(_ body: @escaping @Sendable () -> Void) {
        let thread = Thread(block: body)
        thread.name = "tokenvault.blocking"
        thread.stackSize = 4 << 20
        thread.start()
    }

    /// Runs `body` on a thread of its own and waits for its result without blocking a task's thread.
    package static func result<Result: Sendable>(
        _ body: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            run { continuation.resume(with: Swift.Result(catching: body)) }
        }
    }
}
