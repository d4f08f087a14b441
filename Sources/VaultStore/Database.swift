package import VaultCore

/// One connection to where a vault's rows are, for reading: what queries run on, inside a transaction or each as its own.
///
/// The texts are ours and the same for every engine; values are bound and never become part of a text.
package final class Database {
    /// For what only one engine has.
    package let engine: any StatementEngine

    package init(_ engine: any StatementEngine) { self.engine = engine }

    /// Hands each row of a query to `body`, which returns false to stop.
    package func forEachRow(
        _ sql: String, _ values: [SQLValue] = [], _ body: (RowCursor) throws -> Bool
    ) throws {
        try engine.forEachRow(sql, values, body)
    }

    /// The first row of a query.
    @inlinable
    package func firstRow<Result>(
        _ sql: String, _ values: [SQLValue] = [], _ body: (RowCursor) throws -> Result
    ) throws -> Result? {
        var result: Result?
        try forEachRow(sql, values) { row in
            result = try body(row)
            return false
        }
        return result
    }

    /// Asks several questions, in one turn of a networked engine.
    ///
    /// - Parameter answer: called with each row, and the place of its question; in the order of the questions.
    package func ask(
        _ questions: [StoreQuestion], _ answer: (_ question: Int, RowCursor) throws -> Void
    ) throws { try engine.ask(questions, answer) }

    /// What `body` makes of each row of a query; nil leaves a row out.
    package func rows<Result>(
        _ sql: String, _ values: [SQLValue] = [], _ body: (RowCursor) throws -> Result?
    ) throws -> [Result] {
        var results: [Result] = []
        try forEachRow(sql, values) { row in
            if let result = try body(row) { results.append(result) }
            return true
        }
        return results
    }

    /// Ids of rows of a table that meet a condition, in order from behind one on.
    package func ids(
        _ table: String, after last: Int64 = .min, where condition: String, _ values: [SQLValue] = [],
        limit: Int
    ) throws -> [Int64] {
        try rows(
            "SELECT id FROM \(table) WHERE id > ? AND \(condition) ORDER BY id LIMIT ?",
            [.integer(last)] + values + [.integer(Int64(limit))]
        ) { $0.integer(0) }
    }

    /// The first column of the first row; nil without a row, and where it is no integer.
    package func integer(_ sql: String, _ values: [SQLValue] = []) throws -> Int64? {
        let found = try firstRow(sql, values) { $0.value(0) }
        return if case .integer(let value)? = found { value } else { nil }
    }

    /// The same; 0 where ``integer(_:_:)`` is nil.
    package func count(_ sql: String, _ values: [SQLValue] = []) throws -> Int64 {
        try integer(sql, values) ?? 0
    }

    /// Whether a query finds a row.
    package func finds(_ sql: String, _ values: [SQLValue] = []) throws -> Bool {
        try firstRow(sql, values) { _ in true } ?? false
    }

    package func hasTable(_ name: String) throws -> Bool { try engine.hasTable(name) }

    /// Whether an index of the table names a row that the table does not show: it is lost, and was not deleted.
    package func hasLost(_ layout: TableLayout, _ id: Int64) throws -> Bool {
        try engine.hasLost(layout.name, id)
    }

    /// How the indexes of a table differ from it, one line each.
    package func indexFaults(of layout: TableLayout) throws -> [String] {
        try engine.indexFaults(of: layout.name)
    }
}

/// What a store brings for one of its connections.
package protocol StatementEngine: AnyObject {
    func forEachRow(_ sql: String, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool) throws
    func ask(_ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void) throws
    func hasTable(_ name: String) throws -> Bool
    func hasLost(_ table: String, _ id: Int64) throws -> Bool
    func indexFaults(of table: String) throws -> [String]
}

extension StatementEngine {
    /// One after the other.
    package func ask(_ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void) throws {
        for (place, question) in questions.enumerated() {
            try forEachRow(question.sql, question.values) {
                try answer(place, $0)
                return true
            }
        }
    }
}

/// The row a query stands on, as its engine has it.
package protocol StatementRow: AnyObject {
    func value(_ index: Int) -> SQLValue
    func integer(_ index: Int) -> Int64
    /// Where the bytes of a blob lie until the query goes on; nil for anything but a blob.
    func blob(_ index: Int) -> UnsafeRawBufferPointer?
    /// Appends what ``CanonicalRow/append(_:number:)`` appends of the column's value.
    func append(_ index: Int, number: UInt8, to canonical: inout CanonicalRow)
}

/// The row a query stands on; valid only inside the closure it was handed to.
package struct RowCursor {
    @usableFromInline let row: any StatementRow

    package init(_ row: any StatementRow) { self.row = row }

    package func value(_ index: Int) -> SQLValue { row.value(index) }

    /// Columns `first..<end` in order.
    package func values(from first: Int, to end: Int) -> [SQLValue] { (first..<end).map(row.value) }

    package func integer(_ index: Int) -> Int64 { row.integer(index) }

    package func text(_ index: Int) -> String? {
        if case .text(let value) = row.value(index) { value } else { nil }
    }

    package func instant(_ index: Int) -> VaultInstant { VaultInstant(millisecondsSince1970: integer(index)) }

    /// Hands the bytes of a blob to `body`, where they lie; nil for anything but a blob.
    @inlinable
    package func withBlob<Result>(
        _ index: Int, _ body: (UnsafeRawBufferPointer?) throws -> Result
    ) rethrows -> Result { try body(row.blob(index)) }

    package func append(_ index: Int, number: UInt8, to canonical: inout CanonicalRow) {
        row.append(index, number: number, to: &canonical)
    }
}
