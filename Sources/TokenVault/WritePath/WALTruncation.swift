import Synchronization
import VaultCore

/// A request to empty the WAL, and whether that was done.
final class WALTruncation: Sendable {
    private let done = Atomic<Bool>(false)

    var isDone: Bool { done.load(ordering: .acquiring) }
    func succeeded() { done.store(true, ordering: .releasing) }
}

extension Vault {
    /// Copies the WAL back into the database and empties it: what was overwritten (`secure_delete`) is then in neither.
    ///
    /// - Throws: ``VaultError/Code/busy`` while somebody reads an old state for longer than some seconds.
    func truncateWAL() async throws {
        for _ in 0..<50 {
            let request = WALTruncation()
            try await queue.submit(.finishing) { transaction in
                transaction.truncateWAL(request)
                return ((), [])
            }
            if request.isDone { return }
            try await Task.sleep(for: .milliseconds(100))
        }
        throw VaultError(
            .busy,
            "Somebody has been reading an old state of the vault for seconds; its WAL could not be emptied.",
            remedy: "Run the same command again when long readers (backup, audit verify) are done.")
    }
}
