import CVaultShims
import Foundation
import GRDB
import GRDBSQLite
import Synchronization
import VaultCore
import VaultCrypto

/// COMMIT failed: whether the change is there must be found out.
struct UncertainCommit: Error {
    let cause: any Error
    /// Index of the last leaf the transaction wrote, and the root of the tree with it.
    let lastLeaf: (index: Int64, root: Digest)?
}

/// The open file: its lock, its writer, its readers. Can be closed and opened again after a failed commit.
final class Store: @unchecked Sendable {
    // @unchecked: `current` is behind its mutex; `writer` is used by the writer's thread only after opening.
    let path: String
    let lock: VaultLock
    private let readerCount: Int
    private let frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private let current = Mutex<ReaderConnections?>(nil)
    private(set) var writer: DatabaseQueue

    /// The caller holds the lock.
    init(_ path: String, lock: VaultLock, readerCount: Int) throws {
        self.path = path
        self.lock = lock
        self.readerCount = readerCount
        frames.initialize(to: 0)
        writer = try Connections.openWriter(path)
        watchFrames()
        try openReaders()
    }

    deinit { frames.deallocate() }

    func openReaders() throws {
        let readers = try ReaderConnections(path, count: readerCount)
        current.withLock { $0 = readers }
    }

    func readers() throws -> ReaderConnections {
        guard let readers = current.withLock({ $0 }) else { throw Self.closed }
        return readers
    }

    /// Copies the WAL back into the database once it has grown. The caller holds the lock.
    ///
    /// Every page is copied once however often it changed, so fewer and larger checkpoints write less; the bound keeps
    /// the WAL near 16 MiB.
    func checkpointIfDue() throws {
        guard frames.pointee >= Self.checkpointFrames else { return }
        try writer.inDatabase { database in
            var total: Int32 = 0
            var copied: Int32 = 0
            let code = sqlite3_wal_checkpoint_v2(
                database.sqliteConnection, nil, SQLITE_CHECKPOINT_PASSIVE, &total, &copied)
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
            if copied == total { frames.pointee = 0 }
        }
    }

    /// Closes readers, then the writer, under the lock: closing checkpoints too.
    func close() throws {
        defer { lock.endServing() }
        try lock.withWriterLock(within: .seconds(10)) {
            try current.withLock { readers in
                try readers?.close()
                readers = nil
            }
            try writer.close()
        }
    }

    /// After a failed commit: forgets what is cached, asks the disk, and says whether the commit is there.
    ///
    /// Nil: the disk does not answer. The caller holds the lock.
    func isCommitted(_ uncertain: UncertainCommit) -> Bool? {
        do {
            try current.withLock { readers in
                try readers?.close()
                readers = nil
            }
            writer.inDatabase { database in
                // Closing must not write: no checkpoint now.
                if let connection = database.sqliteConnection {
                    _ = tv_sqlite_keep_wal(UnsafeMutableRawPointer(connection))
                }
            }
            try writer.close()
            // The page cache may hold what never reached the disk.
            for file in [path, path + "-wal"] { dropCachedPages(file) }
            writer = try Connections.openWriter(path)
            watchFrames()
            try openReaders()
            guard let lastLeaf = uncertain.lastLeaf else { return false }
            let head = try writer.inDatabase { try LogHead.read($0) }
            return head.size == lastLeaf.index + 1 && head.root == lastLeaf.root
        } catch {
            return nil
        }
    }

    /// Ends reading and writing for good, without touching the disk.
    func shutDown() {
        current.withLock { $0 = nil }
    }

    private static let checkpointFrames: Int32 = 4096
    private static let closed = VaultError(
        .unavailable, "The vault is closed.", remedy: "Restart the service if the disk failed.")

    /// SQLite reports the length of the WAL after each commit.
    private func watchFrames() {
        writer.inDatabase { database in
            _ = sqlite3_wal_hook(
                database.sqliteConnection,
                { context, _, _, frames in
                    context?.assumingMemoryBound(to: Int32.self).pointee = frames
                    return SQLITE_OK
                }, frames)
        }
    }

    private func dropCachedPages(_ file: String) {
        let descriptor = open(file, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        _ = tv_drop_cached_pages(descriptor)
        Foundation.close(descriptor)
    }
}
