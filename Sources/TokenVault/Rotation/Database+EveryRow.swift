import GRDB

extension Database {
    /// How many rows a table has, of those that meet a condition. Both are SQL of our own, values are bound.
    func rowCount(_ table: String, where condition: String = "1", _ values: [SQLValue] = []) throws -> Int64 {
        try firstRow("SELECT count(*) FROM \(table) WHERE \(condition)", values) { $0.integer(0) } ?? 0
    }

    /// Every row of a tagged table by its id, its tag checked.
    func forEachTagged(_ layout: TableLayout, _ keys: RowKeys, _ body: (StoredRow) throws -> Void) throws {
        try forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
            try body(StoredRow(reading: cursor, layout, rowKey: keys))
            return true
        }
    }
}
