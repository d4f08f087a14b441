import Foundation
package import Logging
package import VaultCore
package import VaultStore

extension SQLiteStore {
    /// Opens the file of a vault that is there, and applies the migrations that it lacks.
    package static func existing(
        at path: String, ledger: SchemaLedger, readers: Int, logger: Logger, at now: VaultInstant
    ) throws -> SQLiteStore {
        do {
            let path = try VaultFile.resolve(path)
            try VaultFile.check(path)
            try FoundFile(path).checkIsAlone()
            let lock = try VaultLock(beside: path)
            return try lock.withWriterLock(within: .seconds(10)) {
                let store = try SQLiteStore(
                    path, lock: lock, ledger: ledger, readers: readers, logger: logger)
                try store.bringUpToDate(at: now)
                return store
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
    }

    /// Makes the file of a vault: its tables, and what `body` puts into them. It is built under a temporary name and gets its
    /// own at the end, so a crash leaves no half vault behind.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (no such directory), errors of the disk.
    package static func create(
        at path: String, at now: VaultInstant, _ body: (any StoreTransaction) throws -> Void
    ) throws {
        try VaultFile.checkDirectory(of: path)
        let path = try VaultFile.resolve(path, isNew: true)
        // Two makers at once would build in each other's draft.
        try VaultLock(beside: path).withWriterLock(within: .seconds(10)) {
            guard access(path, F_OK) != 0 else { throw VaultFile.alreadyExists(path) }
            let draft = path + ".creating"
            let files = ["", "-journal", "-wal", "-shm"].map { draft + $0 }
            for file in files { unlink(file) }
            do {
                let unfinished = try Unfinished {
                    try VaultFile.createExclusively(draft)
                } undo: {
                    for file in files { unlink(file) }
                }
                defer { unfinished.finish() }
                try build(draft, at: now, body)
                try VaultFile.publish(draft, as: path)
            } catch {
                for file in files { unlink(file) }
                throw StorageFailure.translate(error, isOpening: true)
            }
        }
    }

    private static func build(
        _ path: String, at now: VaultInstant, _ body: (any StoreTransaction) throws -> Void
    ) throws {
        // Makes the files beside the draft, and some that go again.
        let writer = try Unfinished.whole { try Connections.openWriter(path) }
        try writer.transaction {
            try SchemaLedger().create($0, at: now)
            try body($0)
        }
        // Closing would swallow a failure here and leave half of the vault in the WAL.
        let log = try writer.use { try $0.firstRow("PRAGMA wal_checkpoint(TRUNCATE)") { $0.integer(0) } }
        guard log == 0 else { throw StorageFailure.failed("checkpoint of the new vault", EIO) }
        try writer.close()
        guard access(path + "-wal", F_OK) != 0 else {
            throw StorageFailure.failed("checkpoint of the new vault", EIO)
        }
    }

    /// Removes a vault that was just made, and closed, because something that belongs to it could not be made.
    ///
    /// - Returns: false, and nothing was removed, where another process serves it already.
    package static func discard(at path: String) throws -> Bool {
        let lock = try VaultLock(beside: path)
        return try lock.withWriterLock(within: .seconds(10)) {
            guard try !lock.isServed() else { return false }
            for file in [path] + VaultFile.sideFiles(of: path) { unlink(file) }
            return true
        }
    }

    /// Gives the file of a vault that was moved away another name, while no process can write to it.
    ///
    /// - Parameter body: looks once more at what is there.
    /// - Throws: ``VaultError/Code/busy`` while another process has it open, ``VaultError/Code/ioFailure`` where it cannot be
    ///   renamed, and what `body` throws.
    package static func moveAway(
        from path: String, to place: String, _ body: (Database) throws -> Void
    ) throws {
        let lock = try VaultLock(beside: path)
        try lock.withWriterLock(within: .seconds(10)) {
            // The last that closes a vault removes its WAL.
            guard try !lock.isServed(), access(path + "-wal", F_OK) != 0 else {
                throw VaultError(
                    .busy, "Another process has the vault at \(path) open",
                    remedy: "Stop every service and command that uses it.")
            }
            do {
                let writer = try Unfinished.whole { try Connections.openWriter(path) }
                do { try writer.use(body) } catch {
                    try? writer.close()
                    throw error
                }
                try writer.close()
            } catch { throw StorageFailure.translate(error, isOpening: true) }
            // Beside the name it would be in the way of the vault that comes back.
            unlink(path + ".ballast")
            let code = VaultFile.rename(path, toFree: place)
            guard code == 0 else { throw StorageFailure.failed("rename", code) }
            try VaultFile.synchronize(VaultFile.directory(of: path), O_RDONLY | O_DIRECTORY)
        }
    }
}
