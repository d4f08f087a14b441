import CSQLite
import CVaultShims
import Foundation
import Synchronization
import VaultCore
package import VaultStore

/// Opens SQLite connections with the settings the promises need, and reads every one of them back.
package enum Connections {
    /// The one writer. The caller holds the vault's lock: opening may recover the WAL.
    package static func openWriter(_ path: String) throws -> SQLiteConnection {
        try prepared(SQLiteConnection(path: path)) { engine, database in
            guard try answer("PRAGMA journal_mode = WAL", database) == .text("wal") else {
                throw unsupported("journal_mode = WAL")
            }
            // In WAL mode NORMAL does not sync at commit: a power cut would lose what callers were told.
            try set(database, "synchronous", 2)
            // Checkpoints happen under the lock, when the writer says so.
            try set(database, "wal_autocheckpoint", 0)
            try set(database, "secure_delete", 1)
            // A WAL that a long reader let grow shrinks again.
            try set(database, "journal_size_limit", 16 << 20)
            try set(database, "cache_size", -16 * 1024)
            // Makes the files beside a database that was in another mode until now.
            _ = try answer("SELECT count(*) FROM sqlite_schema", database)
        }
    }

    /// A connection that cannot write.
    static func openReader(_ path: String) throws -> SQLiteConnection {
        do {
            return try prepared(SQLiteConnection(path: path, isReadOnly: true)) {
                try set($1, "cache_size", -8 * 1024)
            }
        } catch let error as SQLiteError
            where error.kind == SQLITE_CANTOPEN && access(VaultFile.directory(of: path), W_OK) != 0
        {
            // Where SQLite cannot make the index of the WAL it keeps one in memory, if it has the file for itself: no
            // writer can have it open, for that one would have made the index. Without a WAL the file is all there is.
            let hasWAL = (FileFacts(at: path + "-wal")?.size ?? 0) > 0
            let name = path.addingPercentEncoding(withAllowedCharacters: .urlPathAllowed) ?? ""
            let way = hasWAL ? "vfs=unix-none" : "immutable=1"
            return try prepared(SQLiteConnection(uri: "file:\(name)?mode=ro&\(way)")) { engine, _ in
                // The last to close a WAL copies it back.
                _ = tv_sqlite_keep_wal(UnsafeMutableRawPointer(engine.handle))
            }
        }
    }

    /// Opens the file and closes it; writes nothing into it.
    fileprivate static func removeEmptyWAL(_ path: String) throws {
        try prepared(SQLiteConnection(path: path)) {
            _ = try answer("SELECT count(*) FROM sqlite_schema", $1)
        }.close()
    }

    private static func prepared(
        _ connection: SQLiteConnection, _ prepare: (SQLiteEngine, Database) throws -> Void
    ) throws -> SQLiteConnection {
        do {
            try connection.withEngine { engine, database in
                try harden(engine, database)
                try prepare(engine, database)
            }
        } catch {
            try? connection.close()
            throw error
        }
        return connection
    }

    private static func harden(_ engine: SQLiteEngine, _ database: Database) throws {
        guard tv_sqlite_harden(UnsafeMutableRawPointer(engine.handle)) == SQLITE_OK else {
            throw unsupported("defensive mode")
        }
        try set(database, "trusted_schema", 0)
        try set(database, "cell_size_check", 1)
        try set(database, "mmap_size", 0)
        try set(database, "temp_store", 2)
    }

    /// Sets a pragma and reads it back: SQLite ignores those it does not know.
    private static func set(_ database: Database, _ pragma: String, _ value: Int64) throws {
        _ = try answer("PRAGMA \(pragma) = \(value)", database)
        let now = try answer("PRAGMA \(pragma)", database)
        // SQLite built with SQLITE_MAX_MMAP_SIZE=0 answers nothing at all for mmap_size.
        guard now == .integer(value) || (now == nil && value == 0) else {
            throw unsupported("\(pragma) = \(value)")
        }
    }

    private static func answer(_ sql: String, _ database: Database) throws -> SQLValue? {
        try database.firstRow(sql) { $0.value(0) }
    }

    private static func unsupported(_ setting: String) -> VaultError {
        VaultError(
            .unavailable, "This SQLite refuses the setting \(setting), which durability needs.",
            remedy: "Use SQLite 3.40 or later as packaged by the distribution.")
    }
}

/// A few read-only connections, used in turn.
package final class ReaderConnections: StoreReader, Sendable {
    private let connections: [SQLiteConnection]
    private let ledger: SchemaLedger
    private let path: String
    /// Whether no process had the file open.
    private let isFirst: Bool
    /// Indexes of connections that are free now.
    private let idle: Mutex<[Int]>
    private let next = Atomic<Int>(0)

    package init(_ path: String, count: Int, _ ledger: SchemaLedger = SchemaLedger()) throws {
        self.ledger = ledger
        self.path = path
        isFirst = FileFacts(at: path + "-wal") == nil
        connections = try (0..<count).map { _ in try Connections.openReader(path) }
        idle = Mutex(Array(0..<count))
    }

    package func withConnection(_ body: (Database) throws -> Void) throws {
        try withEngine { try body($1) }
    }

    private func withEngine(_ body: (SQLiteEngine, Database) throws -> Void) throws {
        // An idle connection if there is one; otherwise a place in the line of the next.
        let own = idle.withLock { $0.popLast() }
        defer { if let own { idle.withLock { $0.append(own) } } }
        let turn =
            own
            ?? Int(
                UInt(bitPattern: next.wrappingAdd(1, ordering: .relaxed).oldValue) % UInt(connections.count))
        do { try connections[turn].withEngine(body) } catch let signal as any StoreSignal {
            throw signal
        } catch {
            // Closed under its reader: the ledger cannot be asked, and says nothing.
            throw (try? connections[turn].use { ledger.explain(error, $0) })
                ?? StorageFailure.translate(error)
        }
    }

    package func withSnapshot(_ body: (Database) throws -> Void) throws {
        try withEngine { engine, database in
            _ = try engine.run("BEGIN DEFERRED")
            do { try body(database) } catch {
                _ = try? engine.run("ROLLBACK")
                throw error
            }
            _ = try engine.run("COMMIT")
        }
    }

    package func close() throws {
        for connection in connections { try connection.close() }
        // Reading made an empty WAL and its index. SQLite takes them away with its last connection, if that may write.
        guard isFirst, FileFacts(at: path + "-wal")?.size == 0 else { return }
        try? Connections.removeEmptyWAL(path)
    }
}
