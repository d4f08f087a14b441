import CSQLite
import CVaultShims
import Foundation
package import Logging
import Synchronization
package import VaultCore
package import VaultStore

/// A vault in a SQLite file of this machine: its lock, its writer, its readers. Can be closed and opened again after a failed
/// commit.
///
/// ```
///  lock ─► BEGIN ─► body ─► COMMIT ─► durable ─► checkpoint when due ─► unlock
///                             └─ failed ─► open again, ask the disk: committed | not | unknown
/// ```
package final class SQLiteStore: VaultStore, @unchecked Sendable {
    // @unchecked: `current` and `lost` are behind a mutex; the other variables are used by the thread that commits only,
    // after opening.
    package let path: String
    package let lock: VaultLock
    package let ledger: SchemaLedger
    let ballast: Ballast
    private let readerCount: Int
    private let logger: Logger
    private let frames = UnsafeMutablePointer<Int32>.allocate(capacity: 1)
    private let current = Mutex<ReaderConnections?>(nil)
    private let lost = Mutex<LostFiles?>(nil)
    private var dueFrames = SQLiteStore.checkpointFrames
    private var failures = 0
    private var needsReopening = false
    private var writer: SQLiteConnection
    private var files: StoreFiles

    /// The caller holds the lock.
    package init(
        _ path: String, lock: VaultLock, ledger: SchemaLedger, readers: Int, logger: Logger
    ) throws {
        self.path = path
        self.lock = lock
        self.ledger = ledger
        self.logger = logger
        readerCount = readers
        frames.initialize(to: 0)
        ParkedDescriptors.storeOpens(path)
        let database = try FoundFile(path)
        writer = try Connections.openWriter(path)
        files = try StoreFiles(database)
        ballast = Ballast(beside: path)
        try prepareWriter()
        try openReaders()
    }

    deinit { frames.deallocate() }

    /// Applies the migrations that the file lacks. The caller holds the lock.
    package func bringUpToDate(at now: VaultInstant) throws {
        try ledger.bringUpToDate(writer, at: now)
    }

    package func beginServing() throws -> Bool { try lock.beginServing() }
    package func isServed() throws -> Bool { try lock.isServed() }

    package var acceptsNewWork: Bool { ballast.isWhole }

    package func refusalOfNewWork() -> VaultError? { ballast.admitsNewWork() ? nil : Ballast.refusal }

    package func keepUp() { ballast.restore() }

    package func refuseNewer(_ database: Database) throws { try ledger.refuseNewer(database) }

    package func translate(_ error: any Error) -> VaultError { StorageFailure.translate(error) }
    package func translateOpening(_ error: any Error) -> VaultError {
        StorageFailure.translate(error, isOpening: true)
    }

    // MARK: Reading

    package var reader: any StoreReader {
        get throws {
            if let lost = lost.withLock({ $0 }), lost.kind != .shared { throw lost.error }
            guard let readers = current.withLock({ $0 }) else { throw Self.closed }
            return readers
        }
    }

    package func longReader() throws -> any StoreReader {
        _ = try reader
        return try ReaderConnections(path, count: 1, ledger)
    }

    private func openReaders() throws {
        let readers = try ReaderConnections(path, count: readerCount, ledger)
        current.withLock { $0 = readers }
    }

    private func closeReaders() throws {
        try current.withLock { readers in
            try readers?.close()
            readers = nil
        }
    }

    // MARK: Committing

    package func commit(
        waiting: () throws -> Void, _ body: (any StoreTransaction) throws -> StoreCommit?,
        durable: (Result<Bool, VaultError>) -> Void
    ) -> CommitOutcome {
        guard failures < 2 else { return .failed(Self.down) }
        do {
            while true {
                do {
                    return try lock.withWriterLock(waiting: waiting) {
                        try commitUnderLock(body, durable)
                    }
                } catch let error as SQLiteError where error.kind == SQLITE_BUSY {
                    // A program that does not know the lock writes. It is waited for without the lock, for others' sake.
                    try waiting()
                    usleep(1000)
                }
            }
        } catch let error as NotApplied {
            return .notApplied(StorageFailure.translate(error.cause))
        } catch {
            let error = StorageFailure.translate(error)
            // As when a directory was replaced, with the lock.
            if error.code == .unavailable { try? lookAtFiles() }
            if error.code == .outOfSpace { ballast.giveUp() }
            return .failed(error)
        }
    }

    private func commitUnderLock(
        _ body: (any StoreTransaction) throws -> StoreCommit?,
        _ durable: (Result<Bool, VaultError>) -> Void
    ) throws -> CommitOutcome {
        if needsReopening {
            try reopen()
            needsReopening = false
        }
        try checkFiles()
        let commit: StoreCommit?
        do {
            let (engine, database) = try writer.owned
            let transaction = SQLiteTransaction(engine, database)
            commit = try engine.commit(
                { () throws -> StoreCommit? in
                    try ledger.refuseNewer(database)
                    return try body(transaction)
                }, transaction)
        } catch let error as UncertainCommit { return try settle(error, durable) }
        guard let commit else { return .unchanged }
        // Who asked for it waits for it; what is committed stands whatever comes of it.
        durable(
            Result { try commit.emptiesLog && truncateWAL() }.mapError { StorageFailure.translate($0) })
        do { try checkpointIfDue() } catch {
            // What is committed stays in the WAL. Want of space or a busy file passes, and the next commit tries again;
            // a sync that failed once is not asked again.
            if StorageFailure.translate(error).code == .ioFailure {
                failures += 1
                stopCheckpoints()
            }
        }
        return .committed
    }

    /// Asks the disk whether a transaction is there whose COMMIT failed. The caller holds the lock.
    ///
    /// - Throws: the error for the callers if it is not.
    private func settle(
        _ uncertain: UncertainCommit, _ durable: (Result<Bool, VaultError>) -> Void
    ) throws -> CommitOutcome {
        // A write to the WAL found no room, so the frame that commits is not complete, and the connection goes on.
        if (uncertain.cause as? SQLiteError)?.kind == SQLITE_FULL { throw uncertain.cause }
        // The frames may be complete where only the index of the WAL found none.
        let isFull = StorageFailure.translate(uncertain.cause).code == .outOfSpace
        if isFull {
            // Opening the file again needs room for the index of the WAL.
            ballast.giveUp()
        } else {
            failures += 1
        }
        let isThere: Bool?
        do {
            isThere = failures < 2 ? try isCommitted(uncertain) : nil
        } catch {
            // Space comes back, unlike a broken disk: the next commit tries again.
            if isFull { needsReopening = true } else { failures = 2 }
            isThere = nil
        }
        if failures >= 2 { shutDown() }
        switch isThere {
        case true?:
            // The WAL is not emptied by a connection that was just opened again.
            durable(.success(false))
            return .committed
        case false?: throw uncertain.cause
        case nil: return .unknown
        }
    }

    /// - Returns: nil when nothing was logged by which it could be told.
    /// - Throws: the disk does not answer.
    private func isCommitted(_ uncertain: UncertainCommit) throws -> Bool? {
        try reopen()
        guard let isThere = uncertain.commit.isThere else {
            // The disk answers, and that is all that can be asked.
            _ = try writer.use { try $0.firstRow("PRAGMA user_version") { $0.integer(0) } } as Int64?
            return nil
        }
        if try writer.use(isThere) { return true }
        // While another process has the file open the WAL is not read again, and frames of the failed commit may lie
        // behind its end, complete: a recovery would find them. The next commit lies over them, so make one now.
        // Setting a number in the header to what it is writes its page; an UPDATE to the same value would not.
        try writer.withEngine { engine, _ in
            try engine.runScript("PRAGMA application_id = \(VaultFile.applicationID)")
        }
        return false
    }

    /// Forgets what is cached, here and in the kernel, and opens the file again. The caller holds the lock.
    private func reopen() throws {
        try closeReaders()
        keepWAL()
        try writer.close()
        for file in [path, path + "-wal"] { try settlePages(of: file) }
        let database = try FoundFile(path)
        writer = try Connections.openWriter(path)
        files = try StoreFiles(database)
        try prepareWriter()
        try openReaders()
    }

    /// Ends reading and writing for good, without touching the disk.
    private func shutDown() {
        current.withLock { $0 = nil }
        keepWAL()
    }

    // MARK: Files

    /// Refuses to go on with files that are not the ones others find: what is committed there would be lost.
    /// The caller holds the lock. Where WAL and index were only deleted, what is committed can still be read
    /// here, and no process has made others, which takes the lock: it is copied back, and both are made again.
    private func checkFiles() throws {
        do {
            try lookAtFiles()
        } catch let loss as LostFiles where loss.kind == .sideFilesDeleted {
            guard dueFrames < .max, try checkpoint() else { throw loss }
            try reopen()
            try lookAtFiles()
        }
    }

    /// Looks whether the open files are still the ones at their paths; while they are not, nothing is read either.
    private func lookAtFiles() throws {
        let loss: LostFiles?
        do {
            try files.check {
                try writer.withEngine { engine, _ in
                    var bytes: Int64 = 0
                    try engine.check(tv_sqlite_wal_bytes(UnsafeMutableRawPointer(engine.handle), &bytes))
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

    /// Closes readers, then the writer, under the lock: closing checkpoints too.
    package func close() throws {
        defer { lock.endServing() }
        defer { ParkedDescriptors.storeClosed(path) }
        // Before the lock: a reader may take its time.
        try closeReaders()
        guard writer.isOpen else { return }
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

    // MARK: The write-ahead log

    /// Copies the WAL back into the database once it has grown. The caller holds the lock.
    ///
    /// Every page is copied once however often it changed, so fewer and larger checkpoints write less; the bound keeps
    /// the WAL near 16 MiB.
    private func checkpointIfDue() throws {
        if frames.pointee >= dueFrames { _ = try checkpoint() }
    }

    /// Copies what no reader keeps back.
    ///
    /// - Returns: whether that was all.
    private func checkpoint() throws -> Bool {
        try writer.withEngine { engine, _ in
            var total: Int32 = 0
            var copied: Int32 = 0
            try engine.check(
                sqlite3_wal_checkpoint_v2(engine.handle, nil, SQLITE_CHECKPOINT_PASSIVE, &total, &copied))
            // A long reader kept pages back: try again when there is as much more to copy.
            dueFrames = copied == total ? Self.checkpointFrames : total + Self.checkpointFrames
            if copied == total { frames.pointee = 0 }
            return copied == total
        }
    }

    /// Copies everything back and empties the WAL. The caller holds the lock.
    ///
    /// - Returns: false when a reader still needs what is in it.
    private func truncateWAL() throws -> Bool {
        try writer.withEngine { engine, _ in
            let code = sqlite3_wal_checkpoint_v2(engine.handle, nil, SQLITE_CHECKPOINT_TRUNCATE, nil, nil)
            guard code & 0xFF != SQLITE_BUSY else { return false }
            try engine.check(code)
            frames.pointee = 0
            return true
        }
    }

    /// After a failed checkpoint: the pages it wrote may not be on the disk though the next sync would say so.
    private func stopCheckpoints() {
        dueFrames = .max
        keepWAL()
    }

    /// SQLite reports the length of the WAL after each commit, and never waits: others wait for the lock meanwhile.
    private func prepareWriter() throws {
        try writer.withEngine { engine, _ in
            sqlite3_busy_timeout(engine.handle, 0)
            _ = sqlite3_wal_hook(
                engine.handle,
                { context, _, _, frames in
                    context?.assumingMemoryBound(to: Int32.self).pointee = frames
                    return SQLITE_OK
                }, frames)
        }
    }

    /// Closing must not write: no checkpoint then.
    private func keepWAL() {
        try? writer.withEngine { engine, _ in
            _ = tv_sqlite_keep_wal(UnsafeMutableRawPointer(engine.handle))
        }
    }

    private static let checkpointFrames: Int32 = 4096
    private static let closed = VaultError(
        .unavailable, "The vault is closed.", remedy: "Restart the service if the disk failed.")
    private static let down = VaultError(
        .unavailable, "The disk failed twice; the vault takes no more writes.",
        remedy: "Check the disk, verify the audit log, and restart.")
}
