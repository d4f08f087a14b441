import VaultCore
import VaultStore

/// A statement with its values, as it is sent.
struct PostgresStatement {
    /// For one row, where it is for several.
    let sql: String
    let values: [SQLValue]
    /// Nil: it is for one row, or for none in particular.
    let rows: PostgresRows?
    /// Kept prepared for the next time.
    let isKept: Bool

    init(_ sql: String, _ values: [SQLValue] = [], isKept: Bool = true) {
        (self.sql, self.values, self.isKept, rows) = (sql, values, isKept, nil)
    }

    init(_ sql: String, for rows: [[SQLValue]]) {
        (self.sql, self.rows, isKept) = (sql, PostgresRows(rows), true)
        values = sql.hasPrefix("UPDATE") ? [.integer(Int64(rows.count))] : []
    }

    /// What makes writes: one statement, or two for a row that replaces another.
    static func writing(_ run: GatheredWrites.Run) -> [PostgresStatement] {
        let write = run.write
        if let single = write.single { return SingleRowSQL.of(single).statements(write.values) }
        guard run.rows.count == 1 else { return [PostgresStatement(write.sql, for: run.rows)] }
        guard write.row != nil else { return [PostgresStatement(write.sql, write.values)] }
        return [PostgresStatement(counted(write.sql, as: "count(*)"), write.values)]
    }

    /// Fails (22012, division by zero) where no row is changed, so that the COMMIT sent behind it does not happen.
    static func counted(_ sql: String, as divisor: String) -> String {
        "WITH changed AS (\(sql) RETURNING 1) SELECT 1 / \(divisor) FROM changed"
    }

    /// As the server takes it.
    var text: String { rows?.text(from: sql) ?? Self.numbered(sql) }

    /// `?` becomes `$1`, `$2`, …: no text of ours has a question mark otherwise.
    static func numbered(_ sql: String) -> String {
        var text = ""
        var count = 0
        for part in sql.split(separator: "?", omittingEmptySubsequences: false) {
            if count > 0 { text += "$\(count)" }
            text += part
            count += 1
        }
        return text
    }

    /// Which statement that is prepared fits: a null has the type that its place asks for, and in a condition that is not
    /// always to be told.
    var key: StatementKey {
        if let rows { return StatementKey(sql: sql, nulls: rows.types.map { $0 == nil }, isOfRows: true) }
        let isWritten = sql.hasPrefix("INSERT") || sql.hasPrefix("UPDATE") || sql.hasPrefix("WITH changed AS")
        guard !isWritten, values.contains(.null) else { return StatementKey(sql: sql, nulls: []) }
        return StatementKey(sql: sql, nulls: values.map { $0 == .null })
    }

    /// PostgreSQL's numbers of the types of all that is sent; 0: that of its place.
    var types: [UInt32] {
        (rows?.types.compactMap { $0?.array } ?? [])
            + values.map { PostgresRows.ColumnType($0)?.element ?? 0 }
    }

    /// - Throws: ``VaultError/Code/invalidInput`` for a text that PostgreSQL does not keep.
    func check() throws {
        for values in rows?.rows ?? [values] {
            for case .text(let value) in values where value.utf8.contains(0) {
                throw VaultError(
                    .invalidInput,
                    "A text contains the character NUL, which a vault on PostgreSQL cannot store.",
                    remedy: "Leave that character out.")
            }
        }
    }
}

struct StatementKey: Hashable {
    let sql: String
    let nulls: [Bool]
    var isOfRows = false
}

/// The tables of one row are kept as versions, the newest of which a view shows: a row that every commit updated would get
/// slower to find for as long as an old state is read.
struct SingleRowSQL {
    private let append: String
    private let remove: String

    private static let known = SingleRow.all.map { ($0, SingleRowSQL($0)) }

    static func of(_ single: SingleRow) -> SingleRowSQL {
        known.first { $0.0 === single }?.1 ?? SingleRowSQL(single)
    }

    private init(_ single: SingleRow) {
        let table = PostgresSchema.versions(of: single.table)
        let places = single.columns.map { _ in "?" }.joined(separator: ", ")
        append =
            "INSERT INTO \(table) (version, \(single.columns.joined(separator: ", "))) VALUES "
            + "(coalesce((SELECT version FROM \(table) ORDER BY version DESC LIMIT 1), 0) + 1, \(places))"
        remove =
            "DELETE FROM \(table) WHERE version = "
            + "(SELECT version FROM \(table) ORDER BY version DESC LIMIT 1 OFFSET 1)"
    }

    func statements(_ values: [SQLValue]) -> [PostgresStatement] {
        [PostgresStatement(append, values), PostgresStatement(remove)]
    }
}
