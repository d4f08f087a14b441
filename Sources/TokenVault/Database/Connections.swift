import CVaultShims
import GRDB
import GRDBSQLite
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
