import Synchronization
import VaultCore

/// Lets a few passwords be hashed at a time, and a few more wait: each takes 64 MiB and a fifth of a second.
final class PasswordHashing: Sendable {
    private struct State {
        var running = 0
        var waiting: [CheckedContinuation<Void, any Error>] = []
    }

    private let state = Mutex(State())

    /// Runs `body` on a thread of its own when its turn comes.
    ///
    /// - Throws: ``VaultError/Code/busy`` at once when too many wait already, and what `body` throws.
    func run<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws -> Result {
        try await withCheckedThrowingContinuation { continuation in
            let refusal = state.withLock { state -> VaultError? in
                if state.running < Limits.passwordHashes {
                    state.running += 1
                    continuation.resume()
                } else if state.waiting.count < Limits.waitingPasswordHashes {
                    state.waiting.append(continuation)
                } else {
                    return Self.busy
                }
                return nil
            }
            if let refusal { continuation.resume(throwing: refusal) }
        }
        defer { leave() }
        return try await BlockingThread.result(body)
    }

    /// Hands the turn to whoever waits longest.
    private func leave() {
        state.withLock { state in
            if state.waiting.isEmpty {
                state.running -= 1
            } else {
                state.waiting.removeFirst().resume()
            }
        }
    }

    private static let busy = VaultError(
        .busy, "Too many people sign in at this moment.", remedy: "Try again in a few seconds.")
}
