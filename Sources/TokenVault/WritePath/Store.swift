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
    /// Where the transaction changed the epoch: what it is if the transaction is there.
    var newEpoch: LogEpoch??
}

/// The open file: its lock, its writer, its readers.
///
/// Can be closed and opened again after a failed commit.
final class Store: @unchecked Sendable {
    // @unchecked: `current` is behind its mutex; `writer` and `dueFrames` are used by the writer's thread only after opening.
    let path: String
    let lock: VaultLock
    private let readerCount: Int
    private let frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private let current = Mutex<ReaderConnections?>(nil)
    private var dueFrames = Store.checkpointFrames
    private(set) var writer: DatabaseQueue

    /// The caller holds the lock.
    init(_ path: String, lock: VaultLock, readerCount: Int) throws {
        self.path = path
        self.lock = lock
        self.readerCount = readerCount
        frames.initialize(to: 0)
        ParkedDescriptors.storeOpens(path)
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

    /// Runs long reading on a connection of its own, so that nobody waits behind it.
    func withOwnReader<Result>(_ body: (Database) throws -> Result) throws -> Result {
        _ = try readers()
        let own = try ReaderConnections(path, count: 1)
        defer { try? own.close() }
        return try own.snapshot(body)
    }

    /// Copies the WAL back into the database once it has grown.
    ///
    /// The caller holds the lock.
    ///
    /// Every page is copied once however often it changed, so fewer and larger checkpoints write less; the bound keeps
    /// the WAL near 16 MiB.
    func checkpointIfDue() throws {
        guard frames.pointee >= dueFrames else { return }
        try writer.inDatabase { database in
            var total: Int32 = 0
            var copied: Int32 = 0
            let code = sqlite3_wal_checkpoint_v2(
                database.sqliteConnection, nil, SQLITE_CHECKPOINT_PASSIVE, &total, &copied)
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
            // A long reader kept pages back: try again when there is as much more to copy.
            dueFrames = copied == total ? Self.checkpointFrames : total + Self.checkpointFrames
            if copied == total { frames.pointee = 0 }
        }
    }

    /// Copies everything back and empties the WAL.
    ///
    /// The caller holds the lock.
    ///
    /// - Returns: false when a reader still needs what is in it.
    func truncateWAL() throws -> Bool {
        try writer.inDatabase { database in
            let code = sqlite3_wal_checkpoint_v2(
                database.sqliteConnection, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
            guard code != SQLITE_BUSY else { return false }
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
            frames.pointee = 0
            return true
        }
    }

    /// After a failed checkpoint: the pages it wrote may not be on the disk though the next sync would say so.
    func stopCheckpoints() {
        dueFrames = .max
        keepWAL()
    }

    /// Closes readers, then the writer, under the lock: closing checkpoints too.
    func close() throws {
        defer { lock.endServing() }
        defer { ParkedDescriptors.storeClosed(path) }
        try lock.withWriterLock(within: .seconds(10)) {
            try current.withLock { readers in
                try readers?.close()
                readers = nil
            }
            try writer.close()
        }
    }

    /// After a failed commit: asks the disk whether the commit is there.
    ///
    /// The caller holds the lock.
    ///
    /// - Returns: nil when nothing was logged by which it could be told.
    /// - Throws: the disk does not answer.
    func isCommitted(_ uncertain: UncertainCommit) throws -> Bool? {
        try reopen()
        let head = try writer.inDatabase { try LogHead.read($0) }
        guard let lastLeaf = uncertain.lastLeaf else { return nil }
        if head.size == lastLeaf.index + 1, head.root == lastLeaf.root { return true }
        // While another process has the file open the WAL is not read anew, and frames of the failed commit may lie
        // behind its end, complete: a recovery would find them. The next commit lies over them, so make one now.
        // Setting a number in the header to what it is writes its page; an UPDATE to the same value would not.
        // (On a full disk the write that failed was one of the frames, so they cannot be complete.)
        if StorageFailure.translate(uncertain.cause).code != .outOfSpace {
            try writer.inDatabase { try $0.run("PRAGMA application_id = \(VaultFile.applicationID)") }
        }
        return false
    }

    /// Forgets what is cached, here and in the kernel, and opens the file again.
    ///
    /// The caller holds the lock.
    func reopen() throws {
        try current.withLock { readers in
            try readers?.close()
            readers = nil
        }
        keepWAL()
        try writer.close()
        for file in [path, path + "-wal"] { try settlePages(of: file) }
        writer = try Connections.openWriter(path)
        watchFrames()
        try openReaders()
    }

    /// Ends reading and writing for good, without touching the disk.
    func shutDown() {
        current.withLock { $0 = nil }
        keepWAL()
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

    /// Closing must not write: no checkpoint then.
    private func keepWAL() {
        writer.inDatabase { database in
            if let connection = database.sqliteConnection {
                _ = tv_sqlite_keep_wal(UnsafeMutableRawPointer(connection))
            }
        }
    }

    /// Makes the page cache agree with the disk.
    ///
    /// After a failed fsync the kernel calls pages clean that it could not write: those are dropped. Pages
    /// still dirty are written by an fsync of their own, whose success says nothing of the failed one: what
    /// counts is what is read afterwards.
    private func settlePages(of file: String) throws {
        let descriptor = open(file, O_RDWR | O_CLOEXEC)
        guard descriptor >= 0 else {
            guard errno == ENOENT else { throw StorageFailure.opening(file, errno) }
            return
        }
        defer { ParkedDescriptors.close(descriptor) }
        _ = tv_drop_cached_pages(descriptor)
        guard fdatasync(descriptor) == 0 else { throw StorageFailure.failed("fsync", errno) }
        _ = tv_drop_cached_pages(descriptor)
    }
}
