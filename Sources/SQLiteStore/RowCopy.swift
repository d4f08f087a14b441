import VaultCore
package import VaultStore

/// All rows of a vault, from one engine to another: the same tables, columns and values, whatever keeps them.
package struct RowCopy {
    /// A table as the migrations make it, whose rows are read in the order of its key.
    private struct Table {
        let name: String
        let columns: [String]
        let key: [String]
    }

    private let tables: [Table]
    private static let rowsAtOnce = 500

    /// - Parameter ledger: of both sides.
    package init(_ ledger: SchemaLedger) throws {
        let memory = try SQLiteConnection(path: nil)
        defer { try? memory.close() }
        tables = try memory.transaction { transaction in
            try ledger.create(transaction, at: VaultInstant(millisecondsSince1970: 0))
            // In the order they were made in, so that a row comes after those that it refers to. What an engine was brought up
            // to date with is its own.
            let names = try transaction.database.rows(
                """
                SELECT name FROM sqlite_schema
                WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'schema_migrations' ORDER BY rowid
                """
            ) { $0.text(0) }
            return try names.map { name in
                var columns: [String] = []
                var key: [(place: Int64, column: String)] = []
                try transaction.database.forEachRow("PRAGMA table_info(\(name))") { row in
                    guard let column = row.text(1) else { return true }
                    columns.append(column)
                    if row.integer(5) > 0 { key.append((row.integer(5), column)) }
                    return true
                }
                return Table(
                    name: name, columns: columns, key: key.sorted { $0.place < $1.place }.map(\.column))
            }
        }
    }

    /// About how many bytes of a file the rows take that `source`, a database of PostgreSQL, shows: those that live, without
    /// what the server keeps of older ones and its indexes.
    package func size(of source: Database) throws -> Int64 {
        try tables.reduce(Self.emptyFile) { size, table in
            let rows = try source.count(
                "SELECT CAST(coalesce(sum(pg_column_size(r.*)), 0) AS bigint) FROM \(table.name) AS r")
            return size + rows + rows / Self.indexShare
        }
    }

    /// Each table and each index has a page.
    private static let emptyFile: Int64 = 256 << 10
    /// An index, and the room that is left in pages, take one byte for this number of bytes of rows.
    private static let indexShare: Int64 = 4

    /// Copies what `source` shows, which is one snapshot, into tables that are empty, and counts it there.
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1; throws to give up.
    /// - Returns: the number of rows.
    package func run(
        from source: Database, to target: any StoreTransaction, progress: (Double) throws -> Void
    ) throws -> Int64 {
        let counts = try tables.map { try source.count("SELECT count(*) FROM \($0.name)") }
        let total = counts.reduce(0, +)
        var done: Int64 = 0
        for (table, count) in zip(tables, counts) {
            try copy(table, from: source, to: target) {
                done += Int64($0)
                try progress(Double(done) / Double(max(1, total)))
            }
            guard try target.database.count("SELECT count(*) FROM \(table.name)") == count else {
                throw VaultError(
                    .integrity, "The copy of \(table.name) does not have the number of rows that were read.",
                    remedy: "Check both databases, then begin again.")
            }
        }
        return total
    }

    private func copy(
        _ table: Table, from source: Database, to target: any StoreTransaction,
        _ copied: (Int) throws -> Void
    ) throws {
        let single = SingleRow.all.first { $0.table == table.name }
        let columns = single?.columns ?? table.columns
        let insert =
            "INSERT INTO \(table.name) (\(columns.joined(separator: ", "))) VALUES ("
            + columns.map { _ in "?" }.joined(separator: ", ") + ")"
        var writes: [RowWrite] = []
        func flush() throws {
            try target.apply(writes)
            try copied(writes.count)
            writes.removeAll(keepingCapacity: true)
        }
        try source.forEachRow(
            "SELECT \(columns.joined(separator: ", ")) FROM \(table.name) "
                + "ORDER BY \(table.key.joined(separator: ", "))"
        ) { row in
            let values = row.values(from: 0, to: columns.count)
            writes.append(single.map { RowWrite(making: $0, values) } ?? RowWrite(insert, values))
            if writes.count == Self.rowsAtOnce { try flush() }
            return true
        }
        try flush()
    }
}
