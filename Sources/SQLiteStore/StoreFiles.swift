import CVaultShims
import Foundation
import Synchronization
package import VaultCore

/// The files of an open store, as they were found at their paths.
///
/// SQLite goes on with a file that was moved, deleted or replaced, and what it commits there is lost with the process.
/// Under a second name (a hard link, a mount of the file alone) others would find neither the WAL nor the lock. So every
/// batch looks first, at the price of three `stat` calls.
package struct StoreFiles: Sendable {
    private let database: FoundFile
    private let wal: FoundFile
    private let index: FoundFile

    /// - Parameter database: as it was found before SQLite opened it.
    package init(_ database: FoundFile) throws {
        self.database = database
        wal = try FoundFile(database.path + "-wal")
        index = try FoundFile(database.path + "-shm")
        guard try database.look() != nil else { throw database.isGone }
    }

    /// - Parameter walBytes: how long the WAL must be.
    /// - Throws: ``LostFiles``.
    package func check(walBytes: () throws -> Int64) throws {
        guard let database = try database.look() else { throw self.database.isGone }
        let wal = try wal.look()
        let index = try index.look()
        if let wal, wal.size < (try walBytes()) {
            throw LostFiles(
                .gone, "\(self.wal.path) was cut short while in use.",
                remedy: "Restart every process that has the vault open, and verify the audit log.")
        }
        guard wal != nil, index != nil else {
            let missing = wal == nil ? self.wal : self.index
            throw LostFiles(.sideFilesDeleted, "\(missing.path) was deleted while in use.")
        }
        try self.database.checkIsAlone(database)
    }
}

/// Why an open store must not be written to.
package struct LostFiles: Error {
    package enum Kind {
        /// What is open is not what others find.
        case gone
        /// The database is in its place, and what belongs beside it is not there at all.
        case sideFilesDeleted
        /// Everything is in its place, but others may find it without what belongs beside it.
        case shared
    }

    package let kind: Kind
    package let error: VaultError

    package init(
        _ kind: Kind, _ message: String,
        remedy: String = "Put it back, or restart every process that has the vault open."
    ) {
        self.kind = kind
        error = VaultError(.unavailable, message, remedy: remedy)
    }
}

/// A file as it was found at its path.
package struct FoundFile: Sendable {
    package let path: String
    private let found: tv_file

    package init(_ path: String) throws {
        self.path = path
        guard let found = try Self.look(at: path) else { throw Self.gone(path) }
        self.found = found
    }

    /// What is at its path now; nil: nothing.
    ///
    /// - Throws: ``LostFiles`` when another file is there.
    func look() throws -> tv_file? {
        guard let now = try Self.look(at: path) else { return nil }
        guard now.device == found.device, now.inode == found.inode else { throw isGone }
        return now
    }

    /// - Throws: ``LostFiles`` when the file can be opened by another name.
    package func checkIsAlone() throws { try checkIsAlone(found) }

    func checkIsAlone(_ now: tv_file) throws {
        if now.links > 1 {
            throw LostFiles(
                .shared,
                "\(path) has \(now.links) names (hard links): by another, neither its WAL nor its lock is found.",
                remedy: "Remove the other names; 'find DIRECTORY -samefile \(path)' lists them.")
        }
        if now.is_mount != 0 {
            throw LostFiles(
                .shared,
                "\(path) is mounted by itself: its WAL and its lock are not where others look for them.",
                remedy: "Mount the directory of the vault instead.")
        }
    }

    package var isGone: LostFiles { Self.gone(path) }

    private static func gone(_ path: String) -> LostFiles {
        LostFiles(.gone, "\(path) was moved, deleted or replaced while in use.")
    }

    private static func look(at path: String) throws -> tv_file? {
        var found = tv_file()
        let code = tv_look_at(path, &found)
        if code == ENOENT || code == ENOTDIR { return nil }
        guard code == 0 else { throw StorageFailure.opening(path, code) }
        return found
    }
}

/// Descriptors of vault files that must not be closed yet.
///
/// `close(2)` of any descriptor drops every POSIX lock this process holds on that file: SQLite's too, of connections
/// that are open. Another process would then take itself for the last one and delete the WAL under them. So a
/// descriptor opened beside SQLite's own is parked until the last store of that file in this process is closed.
package enum ParkedDescriptors {
    private struct File: Hashable {
        let device: UInt64
        let inode: UInt64
    }

    private struct State {
        var stores = 0
        var parked: [Int32] = []
    }

    private static let files = Mutex<[File: State]>([:])

    /// A store of the file at `path` is about to be opened.
    package static func storeOpens(_ path: String) {
        guard let file = file(path) else { return }
        files.withLock { $0[file, default: State()].stores += 1 }
    }

    /// The connections of a store of the file at `path` are closed.
    package static func storeClosed(_ path: String) {
        guard let file = file(path) else { return }
        let parked = files.withLock { files -> [Int32] in
            guard var state = files[file] else { return [] }
            state.stores -= 1
            files[file] = state.stores > 0 ? state : nil
            return state.stores > 0 ? [] : state.parked
        }
        for descriptor in parked { Foundation.close(descriptor) }
    }

    /// Closes a descriptor, now or when it does no harm any more.
    package static func close(_ descriptor: Int32) {
        var information = stat()
        guard fstat(descriptor, &information) == 0 else { return }
        let file = File(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
        let isParked = files.withLock { files in
            guard files[file] != nil else { return false }
            files[file]?.parked.append(descriptor)
            return true
        }
        if !isParked { Foundation.close(descriptor) }
    }

    private static func file(_ path: String) -> File? {
        var information = stat()
        guard stat(path, &information) == 0 else { return nil }
        return File(device: UInt64(information.st_dev), inode: UInt64(information.st_ino))
    }
}
