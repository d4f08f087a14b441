import CVaultShims
import Foundation
import SQLiteStore
import Synchronization
import VaultCore

/// The directory beside a new vault in which it is built: used by one process at a time, and gone at the end.
final class RestoreArea: Sendable {
    let target: String
    var draft: String { directory + "/vault" }
    private let directory: String
    private let claim: Int32
    private let isCleared = Atomic<Bool>(false)
    private let unfinished: Unfinished

    /// - Throws: ``VaultError/Code/alreadyExists`` where something has the vault's name, or lies where its side files
    ///   would; ``VaultError/Code/busy`` while another process restores to it.
    init(for path: String) throws {
        guard access(VaultFile.directory(of: path), F_OK) == 0 else {
            throw VaultError(
                .notFound, "The directory of \(path) does not exist.", remedy: "Make it first, with mode 700."
            )
        }
        target = try VaultFile.resolve(path, isNew: true)
        directory = target + ".restoring"
        // A write-ahead log left by an older vault of this name would be taken for the new one's.
        let obstacle = [target, target + "-wal", target + "-shm"].first { FileFacts(at: $0) != nil }
            .map(Self.exists)
        // Where a restore was killed after its end there is still something to clear away.
        if let obstacle, FileFacts(at: directory) == nil { throw obstacle }
        var claim: Int32 = -1
        unfinished = try Unfinished { [directory] in
            guard mkdir(directory, 0o700) == 0 || errno == EEXIST else {
                throw StorageFailure.writing(directory, errno)
            }
            guard FileFacts(at: directory)?.isDirectory == true else {
                throw VaultError(
                    .permissionDenied, "\(directory) is not a directory.",
                    remedy: "Remove it, or choose another path.")
            }
            claim = open(directory + "/claim", O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
            guard claim >= 0 else { throw StorageFailure.writing(directory, errno) }
            guard tv_lock_byte(claim, 0, 1) == 0, VaultFile.isNamed(claim, directory + "/claim") else {
                close(claim)
                throw obstacle
                    ?? VaultError(
                        .busy, "Another process is restoring to \(path).", remedy: "Wait for its end.")
            }
        } undo: { [directory] in
            // Work may still put files there.
            for _ in 0..<1000 where FileFacts(at: directory) != nil { Self.remove(directory) }
        }
        self.claim = claim
        Self.removeDraft(in: directory)
        if let obstacle { throw obstacle }
    }

    private static func exists(_ file: String) -> VaultError {
        VaultError(
            .alreadyExists, "There is already a file at \(file).",
            remedy:
                "Choose another path: a restore overwrites neither a vault nor its remains.")
    }

    deinit {
        clear()
        close(claim)
    }

    /// Removes what is left of the work; once, since afterwards the place may be another's.
    func clear() {
        guard !isCleared.exchange(true, ordering: .acquiringAndReleasing) else { return }
        Unfinished.whole {
            Self.remove(directory)
            unfinished.finish()
        }
    }

    /// Gives the finished vault its name, unless that was taken meanwhile.
    func publish() throws {
        guard access(draft + "-wal", F_OK) != 0 else {
            throw StorageFailure.failed("checkpoint of the restored vault", EIO)
        }
        try VaultFile.publish(draft, as: target)
        clear()
    }

    private static func remove(_ directory: String) {
        removeDraft(in: directory)
        unlink(directory + "/claim")
        rmdir(directory)
    }

    private static func removeDraft(in directory: String) {
        for suffix in ["", "-journal", "-wal", "-shm", ".lock", ".ballast"] {
            unlink(directory + "/vault" + suffix)
        }
    }
}
