import CVaultShims
import Foundation
import GRDB
import GRDBSQLite
import Logging
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
    // @unchecked: `current` and `lost` are behind a mutex; `writer`, `files` and `dueFrames` are used by the writer's
    // thread only after opening.
    let path: String
    let lock: VaultLock
    let ledger: SchemaLedger
    private let readerCount: Int
    private let logger: Logger
    private let frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private let current = Mutex<ReaderConnections?>(nil)
    private let lost = Mutex<LostFiles?>(nil)
    private var dueFrames = Store.checkpointFrames
    private(set) var writer: DatabaseQueue
    private var files: StoreFiles

    /// The caller holds the lock.
    init(_ path: String, lock: VaultLock, _ options: VaultOptions) throws {
        self.path = path
        self.lock = lock
        ledger = options.ledger
        readerCount = options.readers
        logger = options.logger
        frames.initialize(to: 0)
        ParkedDescriptors.storeOpens(path)
        let database = try FoundFile(path)
        writer = try Connections.openWriter(path)
        files = try StoreFiles(database)
        prepareWriter()
        try openReaders()
    }

    deinit { frames.deallocate() }

    func openReaders() throws {
        let readers = try ReaderConnections(path, count: readerCount, ledger)
        current.withLock { $0 = readers }
    }

    func readers() throws -> ReaderConnections {
        if let lost = lost.withLock({ $0 }), lost.kind != .shared { throw lost.error }
        guard let readers = current.withLock({ $0 }) else { throw Self.closed }
        return readers
    }

    /// Runs long reading on a connection of its own, so that nobody waits behind it.
    func withOwnReader<Result>(_ body: (Database) throws -> Result) throws -> Result {
        let own = try ownReader()
        defer { try? own.close() }
        return try own.snapshot(body)
    }

    /// Refuses to go on with files that are not the ones others find: what is committed there would be lost.
    /// The caller holds the lock. Where WAL and index were only deleted, what is committed can still be read
    /// here, and nobody has made others, which takes the lock: it is copied back, and both are made again.
    func checkFiles() throws {
        do {
            try lookAtFiles()
        } catch let loss as LostFiles where loss.kind == .sideFilesDeleted {
            guard dueFrames < .max, try checkpoint() else { throw loss }
            try reopen()
            try lookAtFiles()
        }
    }

    /// Looks whether the open files are still the ones at their paths; while they are not, nothing is read either.
    func lookAtFiles() throws {
        let loss: LostFiles?
        do {
            try files.check {
                try writer.inDatabase { database in
                    guard let connection = database.sqliteConnection else { throw Self.closed }
                    var bytes: Int64 = 0
                    let code = tv_sqlite_wal_bytes(UnsafeMutableRawPointer(connection), &bytes)
                    guard code == SQLITE_OK else {
                        throw DatabaseError(resultCode: ResultCode(rawValue: code))
                    }
                    return bytes
                }
            }
            loss = nil
        } catch let found as LostFiles { loss = found }
        let before = lost.withLock { lost in
            defer { lost = loss }
            return lost
        }
        if let loss {
            if before == nil {
                logger.critical("The vault takes no writes.", metadata: ["error": "\(loss.error)"])
            }
            throw loss
        }
        if before != nil { logger.notice("The files of the vault are in their place again.") }
    }

    /// A connection for long reading, which the caller closes.
    func ownReader() throws -> ReaderConnections {
        _ = try readers()
        return try ReaderConnections(path, count: 1, ledger)
    }

    /// Copies the WAL back into the database once it has grown. The caller holds the lock.
    ///
    /// Every page is copied once however often it changed, so fewer and larger checkpoints write less; the bound keeps
    /// the WAL near 16 MiB.
    func checkpointIfDue() throws {
        if frames.pointee >= dueFrames { _ = try checkpoint() }
    }

    /// Copies what no reader keeps back.
    ///
    /// - Returns: whether that was all.
    private func checkpoint() throws -> Bool {
        try writer.inDatabase { database in
            guard let connection = database.sqliteConnection else { throw Self.closed }
            var total: Int32 = 0
            var copied: Int32 = 0
            let code = sqlite3_wal_checkpoint_v2(
                connection, nil, SQLITE_CHECKPOINT_PASSIVE, &total, &copied)
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
            // A long reader kept pages back: try again when there is as much more to copy.
            dueFrames = copied == total ? Self.checkpointFrames : total + Self.checkpointFrames
            if copied == total { frames.pointee = 0 }
            return copied == total
        }
    }

    /// Copies everything back and empties the WAL. The caller holds the lock.
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
        // Before the lock: a reader may take its time.
        try closeReaders()
        guard writer.inDatabase({ $0.sqliteConnection != nil }) else { return }
        do {
            try lock.withWriterLock(within: .seconds(10)) {
                try checkFiles()
                try closeReaders()
                try writer.close()
            }
        } catch {
            // Closing must not copy anything into files that are not the vault's.
            keepWAL()
            try? writer.close()
            throw error
        }
    }

    /// After a failed commit: asks the disk whether the commit is there. The caller holds the lock.
    ///
    /// - Returns: nil when nothing was logged by which it could be told.
    /// - Throws: the disk does not answer.
    func isCommitted(_ uncertain: UncertainCommit) throws -> Bool? {
        try reopen()
        let head = try writer.inDatabase { try LogHead.read($0) }
        guard let lastLeaf = uncertain.lastLeaf else { return nil }
        if head.size == lastLeaf.index + 1, head.root == lastLeaf.root { return true }
        // While another process has the file open the WAL is not read again, and frames of the failed commit may lie
        // behind its end, complete: a recovery would find them. The next commit lies over them, so make one now.
        // Setting a number in the header to what it is writes its page; an UPDATE to the same value would not.
        // (On a full disk the write that failed was one of the frames, so they cannot be complete.)
        if StorageFailure.translate(uncertain.cause).code != .outOfSpace {
            try writer.inDatabase { try $0.run("PRAGMA application_id = \(VaultFile.applicationID)") }
        }
        return false
    }

    /// Forgets what is cached, here and in the kernel, and opens the file again. The caller holds the lock.
    func reopen() throws {
        try closeReaders()
        keepWAL()
        try writer.close()
        for file in [path, path + "-wal"] { try settlePages(of: file) }
        let database = try FoundFile(path)
        writer = try Connections.openWriter(path)
        files = try StoreFiles(database)
        prepareWriter()
        try openReaders()
    }

    /// Ends reading and writing for good, without touching the disk.
    func shutDown() {
        current.withLock { $0 = nil }
        keepWAL()
    }

    private func closeReaders() throws {
        try current.withLock { readers in
            try readers?.close()
            readers = nil
        }
    }

    private static let checkpointFrames: Int32 = 4096
    private static let closed = VaultError(
        .unavailable, "The vault is closed.", remedy: "Restart the service if the disk failed.")

    /// SQLite reports the length of the WAL after each commit, and waits for nobody: others wait for the lock meanwhile.
    private func prepareWriter() {
        writer.inDatabase { database in
            sqlite3_busy_timeout(database.sqliteConnection, 0)
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

    /// Makes the page cache agree with the disk. After a failed fsync the kernel calls pages clean that it
    /// could not write: those are dropped. Pages still dirty are written by an fsync of their own, whose
    /// success says nothing of the failed one: what counts is what is read afterwards.
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
