import Foundation
import GRDB
import VaultCore

/// A consistent copy of the database in a file that has no name any more: whatever becomes of this process, nothing of it
/// is left behind.
final class Snapshot {
    let head: LogHead
    let schema: Int
    let byteCount: Int64
    private let descriptor: Int32
    private var place: Int64 = 0

    /// Copies the database within one read transaction; writers and other readers go on meanwhile.
    ///
    /// - Parameter directory: where the copy lies while it is read; it must be as safe as the vault's own.
    init(
        of store: Store, in directory: String, _ read: (Database) throws -> Void,
        progress: @escaping (Double) -> Void
    ) throws {
        let place = directory + "/.tokenvault-snapshot-" + UUID().uuidString
        let descriptor = open(place, O_RDONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageFailure.writing(place, errno) }
        do {
            let copy: DatabaseQueue
            do {
                defer { unlink(place) }
                copy = try DatabaseQueue(path: place, configuration: Self.configuration)
                // Its first page is asked for while it still has its name.
                try copy.inDatabase { try $0.execute(sql: "PRAGMA page_count") }
            }
            (head, schema) = try store.withOwnReader { database in
                let head = try LogHead.read(database)
                let schema = try database.firstRow("PRAGMA user_version") { Int($0.integer(0)) } ?? 0
                try read(database)
                try copy.inDatabase { copy in
                    try database.backup(to: copy, pagesPerStep: 2048) { step in
                        progress(1 - Double(step.remainingPageCount) / Double(max(1, step.totalPageCount)))
                    }
                }
                return (head, schema)
            }
            try copy.close()
            guard let facts = FileFacts(of: descriptor), facts.size > 0 else {
                throw StorageFailure.failed("copy of the database", EIO)
            }
            byteCount = Int64(facts.size)
            self.descriptor = descriptor
        } catch {
            close(descriptor)
            throw StorageFailure.translate(error)
        }
    }

    deinit { close(descriptor) }

    /// Up to `count` bytes, from where the last call ended.
    func next(_ count: Int) throws -> [UInt8] {
        let bytes = try BackupFile.read(descriptor, at: place, upTo: count) {
            StorageFailure.failed("reading of the copy", $0)
        }
        place += Int64(bytes.count)
        return bytes
    }

    /// The copy needs neither a journal nor a sync: it is thrown away.
    private static var configuration: Configuration {
        var configuration = Configuration()
        configuration.label = "tokenvault.snapshot"
        configuration.publicStatementArguments = false
        configuration.observesSuspensionNotifications = false
        configuration.prepareDatabase { database in
            for setting in ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"] {
                _ = try Row.fetchAll(database, sql: "PRAGMA \(setting)")
            }
        }
        return configuration
    }
}
