import CSQLite
import CVaultShims
import Foundation
import VaultCore
package import VaultStore

/// What SQLite says of a call that failed. Its message is left out: it may quote what is in a row.
package struct SQLiteError: Error, Equatable {
    /// Extended: the low octet is the kind.
    package let code: Int32

    /// Without what distinguishes errors of one kind.
    package var kind: Int32 { code & 0xFF }
}

/// A connection to a SQLite file, one thread at a time. Statements are kept prepared.
package final class SQLiteConnection: @unchecked Sendable {
    // @unchecked: everything below is touched inside `use` only, which one thread enters at a time, or by the one thread that
    // owns the connection.
    private let turn = NSLock()
    private var opened: (engine: SQLiteEngine, database: Database)?

    /// - Parameter path: nil for a database in memory.
    package convenience init(path: String?, isReadOnly: Bool = false) throws {
        try self.init(path ?? ":memory:", isReadOnly ? SQLITE_OPEN_READONLY : Self.writing)
    }

    /// A connection to the database in memory that this process calls by `name`, and drops with its last connection.
    convenience init(inMemory name: String) throws {
        try self.init("file:/\(name)?vfs=memdb", Self.writing | SQLITE_OPEN_URI)
    }

    /// A file that is not written, however SQLite is to find it.
    convenience init(uri: String) throws {
        try self.init(uri, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, first: "PRAGMA locking_mode = EXCLUSIVE;")
    }

    private static let writing = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE

    private init(_ path: String, _ flags: Int32, first: String = "") throws {
        let engine = try SQLiteEngine(path, flags)
        opened = (engine, Database(engine))
        do {
            // A file that is no database is refused here, not at a statement that means something.
            try engine.runScript(first + "PRAGMA foreign_keys = ON; PRAGMA schema_version")
        } catch {
            try? engine.close()
            throw error
        }
    }

    package func use<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try withEngine { try body($1) }
    }

    /// For what only SQLite has.
    func withEngine<Result>(_ body: (SQLiteEngine, Database) throws -> Result) throws -> Result {
        turn.lock()
        defer { turn.unlock() }
        let opened = try owned
        return try body(opened.engine, opened.database)
    }

    /// For the thread that has the connection to itself, which takes no turns with others.
    var owned: (engine: SQLiteEngine, database: Database) {
        get throws {
            guard let opened else { throw SQLiteError(code: SQLITE_MISUSE) }
            return opened
        }
    }

    package var isOpen: Bool { turn.withLock { opened != nil } }

    package func close() throws {
        try turn.withLock {
            try opened?.engine.close()
            opened = nil
        }
    }
}

extension SQLiteConnection {
    /// A transaction that writes; rolled back when `body` throws.
    package func transaction<Result>(_ body: (SQLiteTransaction) throws -> Result) throws -> Result {
        try withEngine { engine, _ in try engine.transaction(body) }
    }
}

/// COMMIT failed: whether the change is there must be found out.
struct UncertainCommit: Error {
    let cause: any Error
    let commit: StoreCommit
}

/// A row could not be written, and nothing was.
struct NotApplied: Error {
    let cause: any Error
}

/// A transaction on one connection.
package final class SQLiteTransaction: StoreTransaction {
    package let database: Database
    private let engine: SQLiteEngine

    init(_ engine: SQLiteEngine, _ database: Database) {
        (self.engine, self.database) = (engine, database)
    }

    package func ask(
        _ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void
    ) throws {
        for (place, question) in questions.enumerated() {
            try engine.forEachRow(question.sql, question.values) {
                try answer(place, $0)
                return true
            }
        }
    }

    package func apply(_ writes: some Collection<RowWrite>) throws {
        for write in writes {
            let count = try engine.run(write.sql, write.values)
            if let row = write.row, count != 1 { throw LostRow.error(row.layout, row.id) }
        }
    }

    /// Several statements without values, as a migration has them.
    func runScript(_ sql: String) throws { try engine.runScript(sql) }

    package func savepoint(_ body: () throws -> Void) throws {
        _ = try engine.run("SAVEPOINT body")
        do { try body() } catch {
            guard !isGone(after: error) else { throw TransactionGone(cause: error) }
            _ = try engine.run("ROLLBACK TO body")
            _ = try engine.run("RELEASE body")
            throw error
        }
        _ = try engine.run("RELEASE body")
    }

    /// SQLITE_FULL and some I/O errors roll back everything.
    package func isGone(after error: any Error) -> Bool {
        StorageFailure.concernsStorage(error) || !engine.isInTransaction
    }
}

/// The connection itself.
final class SQLiteEngine: StatementEngine {
    let handle: OpaquePointer
    private var statements: [StatementText: SQLiteStatement] = [:]

    fileprivate init(_ path: String, _ flags: Int32) throws {
        var opened: OpaquePointer?
        // One thread at a time is our own rule, so SQLite's locks would be taken for nothing.
        let code = sqlite3_open_v2(path, &opened, flags | SQLITE_OPEN_NOMUTEX, nil)
        guard code == SQLITE_OK, let opened else {
            sqlite3_close(opened)
            throw SQLiteError(code: code)
        }
        handle = opened
        sqlite3_extended_result_codes(handle, 1)
        // While a connection is opened another process may recover the WAL. A store's writer gives this up.
        sqlite3_busy_timeout(handle, 5000)
    }

    fileprivate func close() throws {
        for statement in statements.values { statement.finalize() }
        statements = [:]
        try check(sqlite3_close(handle))
    }

    /// One statement or several, without values and without rows.
    func runScript(_ sql: String) throws { try check(sqlite3_exec(handle, sql, nil, nil, nil)) }

    var isInTransaction: Bool { sqlite3_get_autocommit(handle) == 0 }

    func check(_ code: Int32) throws {
        guard code == SQLITE_OK else { throw SQLiteError(code: code) }
    }

    // MARK: Statements

    /// - Returns: how many rows it changed.
    func run(_ sql: String, _ values: [SQLValue] = []) throws -> Int {
        let statement = try statement(sql)
        try statement.bind(values)
        defer { statement.reset() }
        while try statement.advance() {}
        return Int(sqlite3_changes(handle))
    }

    func forEachRow(_ sql: String, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool) throws {
        let statement = try statement(sql)
        try statement.bind(values)
        // Also ends the read transaction of a query that was not run to its end.
        defer { statement.reset() }
        let cursor = RowCursor(statement)
        while try statement.advance() {
            guard try body(cursor) else { return }
        }
    }

    /// Deleting a row deletes it from the index of its first UNIQUE column too.
    func hasLost(_ table: String, _ id: Int64) throws -> Bool {
        var isNamed = false
        try forEachRow(
            "SELECT 1 FROM \(table) INDEXED BY sqlite_autoindex_\(table)_1 WHERE +id = ?", [.integer(id)]
        ) { _ in
            isNamed = true
            return false
        }
        return isNamed
    }

    func indexFaults(of table: String) throws -> [String] {
        var faults: [String] = []
        try forEachRow("PRAGMA integrity_check(\(table))", []) { row in
            if case .text(let answer) = row.value(0), answer != "ok" { faults.append(answer) }
            return true
        }
        return faults
    }

    func hasTable(_ name: String) throws -> Bool {
        var isThere = false
        try forEachRow(
            "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?", [.text(name)]
        ) { _ in
            isThere = true
            return false
        }
        return isThere
    }

    /// A transaction as a store's: throws with nothing committed.
    ///
    /// - Returns: what was committed; nil: there was nothing.
    /// - Throws: also ``NotApplied`` and ``UncertainCommit``.
    func commit(_ body: () throws -> StoreCommit?, _ transaction: some StoreTransaction) throws
        -> StoreCommit?
    {
        func rollBack() { if isInTransaction { _ = try? run("ROLLBACK") } }
        _ = try run("BEGIN IMMEDIATE")
        let commit: StoreCommit
        do {
            guard let wanted = try body() else {
                _ = try run("ROLLBACK")
                return nil
            }
            commit = wanted
            do { try transaction.apply(commit.writes) } catch {
                if transaction.isGone(after: error) { throw error }
                throw NotApplied(cause: error)
            }
        } catch {
            rollBack()
            if let gone = error as? TransactionGone { throw gone.cause }
            throw error
        }
        do { _ = try run("COMMIT") } catch {
            rollBack()
            throw UncertainCommit(cause: error, commit: commit)
        }
        return commit
    }

    func transaction<Result>(_ body: (SQLiteTransaction) throws -> Result) throws -> Result {
        _ = try run("BEGIN IMMEDIATE")
        do {
            let result = try body(SQLiteTransaction(self, Database(self)))
            _ = try run("COMMIT")
            return result
        } catch {
            if isInTransaction { _ = try? run("ROLLBACK") }
            throw error
        }
    }

    private func statement(_ sql: String) throws -> SQLiteStatement {
        let text = StatementText(sql)
        if let known = statements[text] { return known }
        var prepared: OpaquePointer?
        try check(sqlite3_prepare_v3(handle, sql, -1, UInt32(SQLITE_PREPARE_PERSISTENT), &prepared, nil))
        guard let prepared else { throw SQLiteError(code: SQLITE_MISUSE) }
        let statement = SQLiteStatement(prepared)
        statements[text] = statement
        return statement
    }
}

/// A text as the key of its statement. Ours are long and differ in few places, and to hash the whole of one costs more
/// than many of them take to run: length, middle and end tell nearly all apart, and equality is still that of the whole,
/// which for one and the same string is that of its address.
private struct StatementText: Hashable {
    private let sql: String
    private let digest: Int

    init(_ sql: String) {
        self.sql = sql
        digest =
            sql.utf8.withContiguousStorageIfAvailable { octets in
                let bytes = UnsafeRawBufferPointer(octets)
                guard bytes.count >= 8 else { return bytes.count }
                let middle = bytes.loadUnaligned(fromByteOffset: bytes.count / 2 - 4, as: Int.self)
                let end = bytes.loadUnaligned(fromByteOffset: bytes.count - 8, as: Int.self)
                return bytes.count ^ middle ^ (end &* 31)
            } ?? 0
    }

    func hash(into hasher: inout Hasher) { hasher.combine(digest) }

    static func == (one: StatementText, other: StatementText) -> Bool { one.sql == other.sql }
}
