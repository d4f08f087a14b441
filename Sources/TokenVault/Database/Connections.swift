import CVaultShims
import GRDB
import GRDBSQLite
import Synchronization
import VaultCore

/// Opens SQLite connections with the settings the promises need, and reads every one of them back.
enum Connections {
    /// The one writer. The caller holds the vault's lock: opening may recover the WAL.
    static func openWriter(_ path: String) throws -> DatabaseQueue {
        var configuration = common(label: "writer")
        configuration.prepareDatabase { database in
            try harden(database)
            let mode = try String.fetchOne(database, sql: "PRAGMA journal_mode = WAL")
            guard mode == "wal" else { throw unsupported("journal_mode = WAL") }
            // In WAL mode NORMAL does not sync at commit: a power cut would lose what callers were told.
            try set(database, "synchronous", 2)
            // Checkpoints happen under the lock, when the writer says so.
            try set(database, "wal_autocheckpoint", 0)
            try set(database, "secure_delete", 1)
            // A WAL that a long reader let grow shrinks again.
            try set(database, "journal_size_limit", 16 << 20)
            try set(database, "cache_size", -16 * 1024)
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    /// A connection that cannot write.
    static func openReader(_ path: String) throws -> DatabaseQueue {
        var configuration = common(label: "reader")
        configuration.readonly = true
        configuration.prepareDatabase { database in
            try harden(database)
            try set(database, "cache_size", -8 * 1024)
        }
        return try DatabaseQueue(path: path, configuration: configuration)
    }

    private static func common(label: String) -> Configuration {
        var configuration = Configuration()
        configuration.label = "tokenvault.\(label)"
        configuration.foreignKeysEnabled = true
        configuration.publicStatementArguments = false
        configuration.observesSuspensionNotifications = false
        // While a connection is opened another process may recover the WAL. The writer gives this up (see Store).
        configuration.busyMode = .timeout(5)
        return configuration
    }

    private static func harden(_ database: Database) throws {
        guard let connection = database.sqliteConnection,
            tv_sqlite_harden(UnsafeMutableRawPointer(connection)) == SQLITE_OK
        else { throw unsupported("defensive mode") }
        try set(database, "trusted_schema", 0)
        try set(database, "cell_size_check", 1)
        try set(database, "mmap_size", 0)
        try set(database, "temp_store", 2)
    }

    /// Sets a pragma and reads it back: SQLite ignores those it does not know.
    private static func set(_ database: Database, _ pragma: String, _ value: Int) throws {
        _ = try Row.fetchAll(database, sql: "PRAGMA \(pragma) = \(value)")
        let now = try Int.fetchOne(database, sql: "PRAGMA \(pragma)")
        // SQLite built with SQLITE_MAX_MMAP_SIZE=0 answers nothing at all for mmap_size.
        guard now == value || (now == nil && value == 0) else { throw unsupported("\(pragma) = \(value)") }
    }

    private static func unsupported(_ setting: String) -> VaultError {
        VaultError(
            .unavailable, "This SQLite does not take the setting \(setting), without which no promise holds.",
            remedy: "Use SQLite 3.40 or later as packaged by the distribution.")
    }
}

/// A few read-only connections, used in turn.
final class ReaderConnections: Sendable {
    private let connections: [Reader]
    private let ledger: SchemaLedger
    /// Indexes of connections that nobody uses now.
    private let idle: Mutex<[Int]>
    private let next = Atomic<Int>(0)

    init(_ path: String, count: Int, _ ledger: SchemaLedger = SchemaLedger()) throws {
        self.ledger = ledger
        connections = try (0..<count).map { _ in Reader(queue: try Connections.openReader(path)) }
        idle = Mutex(Array(0..<count))
    }

    /// Runs `body` on a connection. Statements are their own transactions: one statement, one snapshot.
    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try withConnection { connection in try connection.queue.inDatabase(body) }
    }

    /// The first row of ``Vault/validationSQL``: the vault row and the grant of an access token, in one snapshot.
    func firstValidationRow<Result>(
        _ values: [SQLValue], _ body: (Database, RowCursor) throws -> Result
    ) throws -> Result? {
        try withConnection { connection in
            try connection.queue.inDatabase { database in
                let statement = try connection.validation(database)
                return try database.firstRow(of: statement, values) { try body(database, $0) }
            }
        }
    }

    private func withConnection<Result>(_ body: (Reader) throws -> Result) throws -> Result {
        // An idle connection if there is one; otherwise a place in the line of the next.
        let own = idle.withLock { $0.popLast() }
        defer { if let own { idle.withLock { $0.append(own) } } }
        let turn =
            own
            ?? Int(
                UInt(bitPattern: next.wrappingAdd(1, ordering: .relaxed).oldValue) % UInt(connections.count))
        do {
            return try body(connections[turn])
        } catch { throw connections[turn].queue.inDatabase { ledger.explain(error, $0) } }
    }

    /// Runs `body` within one read transaction: every statement sees the same snapshot.
    func snapshot<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try read { database in
            try database.execute(sql: "BEGIN DEFERRED")
            let result: Result
            do { result = try body(database) } catch {
                try? database.execute(sql: "ROLLBACK")
                throw error
            }
            try database.execute(sql: "COMMIT")
            return result
        }
    }

    func close() throws {
        for connection in connections { try connection.close() }
    }
}

/// A connection, and a statement run so often that to find it in the connection's cache by its text would show.
private final class Reader: @unchecked Sendable {
    let queue: DatabaseQueue
    // @unchecked: touched on the queue only.
    private var validation: Statement?

    init(queue: DatabaseQueue) { self.queue = queue }

    /// The statement, prepared when first asked for; on the queue.
    func validation(_ database: Database) throws -> SQLiteStatement {
        if let validation { return validation.sqliteStatement }
        let new = try database.makeStatement(sql: Vault.validationSQL)
        validation = new
        return new.sqliteStatement
    }

    /// SQLite closes no connection that has statements.
    func close() throws {
        queue.inDatabase { _ in validation = nil }
        try queue.close()
    }
}
