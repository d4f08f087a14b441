import CSQLite
import VaultCore
import VaultStore

/// A prepared statement, and the row it stands on.
final class SQLiteStatement: StatementRow {
    private let statement: OpaquePointer

    init(_ statement: OpaquePointer) { self.statement = statement }

    func finalize() { sqlite3_finalize(statement) }
    func reset() { sqlite3_reset(statement) }

    /// Gives the statement its values, which SQLite copies.
    func bind(_ values: [SQLValue]) throws {
        for (index, value) in values.enumerated() {
            let place = Int32(index + 1)
            let code =
                switch value {
                case .null: sqlite3_bind_null(statement, place)
                case .integer(let value): sqlite3_bind_int64(statement, place, value)
                case .text(let value): sqlite3_bind_text(statement, place, value, -1, Self.transient)
                case .blob(let value):
                    value.isEmpty
                        ? sqlite3_bind_zeroblob(statement, place, 0)
                        : sqlite3_bind_blob(statement, place, value, Int32(value.count), Self.transient)
                }
            guard code == SQLITE_OK else { throw SQLiteError(code: code) }
        }
    }

    // SQLITE_TRANSIENT: a macro that Swift does not import.
    private static let transient = unsafeBitCast(-1, to: sqlite3_destructor_type.self)

    /// Whether the statement stands on a row now.
    func advance() throws -> Bool {
        switch sqlite3_step(statement) {
        case SQLITE_ROW: return true
        case SQLITE_DONE: return false
        case let code: throw SQLiteError(code: code)
        }
    }

    func integer(_ index: Int) -> Int64 { sqlite3_column_int64(statement, Int32(index)) }

    func value(_ index: Int) -> SQLValue {
        let column = Int32(index)
        return switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: .integer(sqlite3_column_int64(statement, column))
        case SQLITE_TEXT:
            .text(
                String(
                    decoding: bytes(UnsafeRawPointer(sqlite3_column_text(statement, column)), column),
                    as: UTF8.self))
        case SQLITE_BLOB: .blob(Array(bytes(sqlite3_column_blob(statement, column), column)))
        // No column holds one. If one is put there from outside, the row must not read as if there were a null.
        case SQLITE_FLOAT: .blob([])
        default: .null
        }
    }

    func blob(_ index: Int) -> UnsafeRawBufferPointer? {
        let column = Int32(index)
        guard sqlite3_column_type(statement, column) == SQLITE_BLOB else { return nil }
        return bytes(sqlite3_column_blob(statement, column), column)
    }

    func append(_ index: Int, number: UInt8, to canonical: inout CanonicalRow) {
        let column = Int32(index)
        switch sqlite3_column_type(statement, column) {
        case SQLITE_INTEGER: canonical.append(sqlite3_column_int64(statement, column), number: number)
        case SQLITE_TEXT:
            canonical.append(
                text: bytes(UnsafeRawPointer(sqlite3_column_text(statement, column)), column), number: number)
        case SQLITE_BLOB:
            canonical.append(blob: bytes(sqlite3_column_blob(statement, column), column), number: number)
        case SQLITE_FLOAT: canonical.append(.blob([]), number: number)
        default: break
        }
    }

    private func bytes(_ start: UnsafeRawPointer?, _ column: Int32) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: start, count: Int(sqlite3_column_bytes(statement, column)))
    }
}
