import GRDB
import GRDBSQLite
import VaultCore

/// One column of one row, as SQLite keeps it.
package enum SQLValue: Sendable, Equatable {
    case null
    case integer(Int64)
    case text(String)
    case blob([UInt8])

    init(_ value: Int64?) { self = value.map(SQLValue.integer) ?? .null }
    init(_ value: String?) { self = value.map(SQLValue.text) ?? .null }
    init(_ value: [UInt8]?) { self = value.map(SQLValue.blob) ?? .null }
}

extension SQLValue {
    /// Reads column `index` of the row `statement` stands on.
    init(_ statement: SQLiteStatement, _ index: Int32) {
        switch sqlite3_column_type(statement, index) {
        case SQLITE_INTEGER:
            self = .integer(sqlite3_column_int64(statement, index))
        case SQLITE_TEXT:
            let count = Int(sqlite3_column_bytes(statement, index))
            let bytes = UnsafeBufferPointer(start: sqlite3_column_text(statement, index), count: count)
            self = .text(String(decoding: bytes, as: UTF8.self))
        case SQLITE_BLOB:
            let count = Int(sqlite3_column_bytes(statement, index))
            let bytes = UnsafeRawBufferPointer(start: sqlite3_column_blob(statement, index), count: count)
            self = .blob(Array(bytes))
        case SQLITE_FLOAT:
            // No column holds one. If one is put there from outside, the row must not read as if there were a null.
            self = .blob([])
        default:
            self = .null
        }
    }

    /// Binds the value to parameter `index` (from 1) of `statement`, which copies it.
    func bind(to statement: SQLiteStatement, _ index: Int32) -> Int32 {
        switch self {
        case .null: sqlite3_bind_null(statement, index)
        case .integer(let value): sqlite3_bind_int64(statement, index, value)
        case .text(let value): sqlite3_bind_text(statement, index, value, -1, Self.transient)
        case .blob(let value):
            value.isEmpty
                ? sqlite3_bind_zeroblob(statement, index, 0)
                : sqlite3_bind_blob(statement, index, value, Int32(value.count), Self.transient)
        }
    }

    // SQLITE_TRANSIENT: a macro that Swift does not import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)
}

extension Database {
    /// Runs a cached statement that returns no rows. Values never become part of the SQL text.
    func run(_ sql: String, _ values: [SQLValue] = []) throws {
        let statement = try cachedStatement(sql: sql).sqliteStatement
        try bind(values, to: statement)
        defer { sqlite3_reset(statement) }
        while try advance(statement) {}
    }

    /// Hands each row of a cached query to `body`, which returns false to stop.
    func forEachRow(_ sql: String, _ values: [SQLValue] = [], _ body: (RowCursor) throws -> Bool) throws {
        try forEachRow(of: try cachedStatement(sql: sql).sqliteStatement, values, body)
    }

    private func forEachRow(
        of statement: SQLiteStatement, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool
    ) throws {
        try bind(values, to: statement)
        // Also ends the read transaction of a query that was not run to its end.
        defer { sqlite3_reset(statement) }
        while try advance(statement) {
            guard try body(RowCursor(statement: statement)) else { return }
        }
    }

    /// The first row of a cached query.
    func firstRow<Result>(
        _ sql: String, _ values: [SQLValue] = [], _ body: (RowCursor) throws -> Result
    ) throws -> Result? {
        try firstRow(of: try cachedStatement(sql: sql).sqliteStatement, values, body)
    }

    /// The first row of a prepared query.
    func firstRow<Result>(
        of statement: SQLiteStatement, _ values: [SQLValue], _ body: (RowCursor) throws -> Result
    ) throws -> Result? {
        var result: Result?
        try forEachRow(of: statement, values) { row in
            result = try body(row)
            return false
        }
        return result
    }

    /// Gives a statement its values. GRDB keeps statements prepared; the steps are taken without its rows,
    /// observers and argument checks, which cost more than most of our statements.
    private func bind(_ values: [SQLValue], to statement: SQLiteStatement) throws {
        sqlite3_reset(statement)
        for (index, value) in values.enumerated() {
            let code = value.bind(to: statement, Int32(index + 1))
            guard code == SQLITE_OK else { throw DatabaseError(resultCode: ResultCode(rawValue: code)) }
        }
    }

    /// Whether the statement stands on a row now.
    private func advance(_ statement: SQLiteStatement) throws -> Bool {
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw DatabaseError(resultCode: ResultCode(rawValue: code))
        }
    }
}

/// The row a query stands on; valid only inside the closure it was handed to.
struct RowCursor {
    fileprivate let statement: SQLiteStatement

    func value(_ index: Int) -> SQLValue { SQLValue(statement, Int32(index)) }

    /// Columns `first..<end` in order.
    func values(from first: Int, to end: Int) -> [SQLValue] {
        (first..<end).map(value)
    }

    func integer(_ index: Int) -> Int64 { sqlite3_column_int64(statement, Int32(index)) }

    /// Hands the bytes of a blob to `body`, where they lie; nil for anything but a blob.
    func withBlob<Result>(_ index: Int, _ body: (UnsafeRawBufferPointer?) throws -> Result) rethrows
        -> Result
    {
        let column = Int32(index)
        guard sqlite3_column_type(statement, column) == SQLITE_BLOB else { return try body(nil) }
        let start = sqlite3_column_blob(statement, column)
        return try body(
            UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column))))
    }

    /// Appends the canonical bytes of a column: what `[UInt8].append(_:number:)` appends of its value.
    func append(_ index: Int, number: UInt8, to bytes: inout [UInt8]) {
        let column = Int32(index)
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER:
            bytes.append(number)
            bytes.append(1)
            bytes.append(bigEndian: sqlite3_column_int64(statement, column))
        case SQLITE_TEXT:
            bytes.append(number)
            bytes.append(2)
            append(UnsafeRawPointer(sqlite3_column_text(statement, column)), column, to: &bytes)
        case SQLITE_BLOB:
            bytes.append(number)
            bytes.append(3)
            append(sqlite3_column_blob(statement, column), column, to: &bytes)
        case SQLITE_FLOAT: bytes.append(.blob([]), number: number)
        default: break
        }
    }

    private func append(_ start: UnsafeRawPointer?, _ column: Int32, to bytes: inout [UInt8]) {
        let count = sqlite3_column_bytes(statement, column)
        bytes.append(bigEndian: UInt32(bitPattern: count))
        bytes.append(contentsOf: UnsafeRawBufferPointer(start: start, count: Int(count)))
    }
}
