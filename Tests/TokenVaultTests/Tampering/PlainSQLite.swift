import Foundation

/// SQLite by itself: what a reader without keys or rules sees in a file, in this process.
///
/// The library that the vault is linked with is asked by name, for tests may not import it.
enum PlainSQLite {
    struct Failure: Error { let code: Int32 }

    /// The rows of each table, one after the other, as they are stored; indexes are not used.
    ///
    /// A table that SQLite finds damaged (error, corrupt, not a database) is ``unreadable``.
    ///
    /// - Throws: ``Failure`` where the file cannot be read at all.
    static func dump(_ path: String) throws -> [String: [UInt8]] {
        var connection: OpaquePointer?
        let opened = library.open(path, &connection, readOnly, nil)
        defer { _ = library.close(connection) }
        guard opened == 0 else { throw Failure(code: opened) }
        // A connection that closes somewhere else may hold the file for a moment.
        _ = library.busyTimeout(connection, 5000)
        var names: [String] = []
        try forEachRow(connection, "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name") {
            names.append(String(decoding: bytes($0, 0), as: UTF8.self))
        }
        var tables: [String: [UInt8]] = [:]
        for name in names {
            var content: [UInt8] = []
            let quoted = name.replacing("\"", with: "\"\"")
            do {
                try forEachRow(connection, "SELECT * FROM \"\(quoted)\" NOT INDEXED") { row in
                    for column in 0..<library.columnCount(row) {
                        let value = bytes(row, column)
                        content += [UInt8(truncatingIfNeeded: library.columnType(row, column))]
                        content += withUnsafeBytes(of: UInt32(value.count).bigEndian, Array.init)
                        content += value
                    }
                    content.append(0xFF)
                }
            } catch let failure as Failure where [1, 11, 26].contains(failure.code & 0xFF) {
                content = Self.unreadable
            }
            tables[name] = content
        }
        return tables
    }

    private static func forEachRow(
        _ connection: OpaquePointer?, _ sql: String, _ body: (OpaquePointer?) -> Void
    ) throws {
        var statement: OpaquePointer?
        let prepared = library.prepare(connection, sql, -1, &statement, nil)
        defer { _ = library.finalize(statement) }
        guard prepared == 0 else { throw Failure(code: prepared) }
        while true {
            let code = library.step(statement)
            if code == done { return }
            guard code == row else { throw Failure(code: code) }
            body(statement)
        }
    }

    private static func bytes(_ row: OpaquePointer?, _ column: Int32) -> [UInt8] {
        guard let start = library.columnBlob(row, column) else { return [] }
        return Array(UnsafeRawBufferPointer(start: start, count: Int(library.columnBytes(row, column))))
    }

    static let unreadable = Array("unreadable".utf8)
    private static let readOnly: Int32 = 1
    private static let row: Int32 = 100
    private static let done: Int32 = 101
    private static let library = Library()

    private struct Library: Sendable {
        typealias OfRow = @convention(c) (OpaquePointer?) -> Int32
        typealias OfColumn = @convention(c) (OpaquePointer?, Int32) -> Int32
        let open:
            @convention(c) (
                UnsafePointer<CChar>?, UnsafeMutablePointer<OpaquePointer?>?, Int32, UnsafePointer<CChar>?
            )
                -> Int32
        let prepare:
            @convention(c) (
                OpaquePointer?, UnsafePointer<CChar>?, Int32, UnsafeMutablePointer<OpaquePointer?>?,
                UnsafeRawPointer?
            ) -> Int32
        let columnBlob: @convention(c) (OpaquePointer?, Int32) -> UnsafeRawPointer?
        let close, step, finalize, columnCount: OfRow
        let columnType, columnBytes, busyTimeout: OfColumn

        init() {
            let handle = dlopen("libsqlite3.so.0", RTLD_NOW)
            func symbol<Function>(_ name: String, _: Function.Type = Function.self) -> Function {
                guard let address = dlsym(handle, "sqlite3_" + name) else {
                    preconditionFailure("SQLite has no \(name)")
                }
                return unsafeBitCast(address, to: Function.self)
            }
            open = symbol("open_v2")
            prepare = symbol("prepare_v2")
            columnBlob = symbol("column_blob")
            close = symbol("close_v2")
            step = symbol("step")
            finalize = symbol("finalize")
            columnCount = symbol("column_count")
            columnType = symbol("column_type")
            columnBytes = symbol("column_bytes")
            busyTimeout = symbol("busy_timeout")
        }
    }
}
