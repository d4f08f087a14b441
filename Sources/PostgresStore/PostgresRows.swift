import VaultCore
import VaultStore

/// The values of several rows, for one statement that is made from the text for a single one: an array for each `?` of it, so
/// that the server begins and ends a statement once for a batch.
///
/// ```
///  UPDATE t SET a = ?, b = ? WHERE id = ?
///  WITH changed AS (UPDATE t SET a = v.c0, b = NULL FROM unnest($1, $2) AS v (c0, c2)
///    WHERE id = v.c2 AND id = ANY ($2) RETURNING 1) SELECT 1 / CAST(count(*) = $3 AS integer) FROM changed
/// ```
struct PostgresRows {
    /// PostgreSQL's numbers of a type, and of arrays of it.
    struct ColumnType {
        let element, array: UInt32

        init?(_ value: SQLValue) {
            switch value {
            case .null: return nil
            case .integer: (element, array) = (20, 1016)
            case .text: (element, array) = (25, 1009)
            case .blob: (element, array) = (17, 1001)
            }
        }
    }

    let rows: [[SQLValue]]
    /// Of each `?`; nil: every row has a null there, whose type only the table knows.
    let types: [ColumnType?]

    init(_ rows: [[SQLValue]]) {
        self.rows = rows
        types = (rows.first ?? []).indices.map { column in
            rows.lazy.compactMap { ColumnType($0[column]) }.first
        }
    }

    /// The text, with `$1`, `$2`, … for the arrays.
    func text(from sql: String) -> String {
        if sql.hasPrefix("SELECT") { return sql.dropLast() + "ANY ($1)" }
        let sent = types.indices.filter { types[$0] != nil }
        let places = types.indices.map { types[$0] == nil ? "NULL" : "v.c\($0)" }
        let rows =
            "FROM unnest(\(sent.indices.map { "$\($0 + 1)" }.joined(separator: ", "))) "
            + "AS v (\(sent.map { "c\($0)" }.joined(separator: ", ")))"
        if sql.hasPrefix("INSERT") {
            let head = sql.prefix(sql.count - Self.places(types.count).count)
            return head + "SELECT \(places.joined(separator: ", ")) \(rows)"
        }
        let (head, condition) = Self.parts(ofUpdate: sql)
        let key = head.utf8.count(where: { $0 == UInt8(ascii: "?") })
        func filled(_ part: Substring, _ places: some Collection<String>) -> String {
            zip(part.split(separator: "?", omittingEmptySubsequences: false), places + [""]).map { $0 + $1 }
                .joined()
        }
        // The arrays' lengths are not known when this is planned: without the last condition the whole table may be read.
        return PostgresStatement.counted(
            "\(filled(head, places[..<key])) \(rows) WHERE \(filled(condition, places[key...])) "
                + "AND id = ANY ($\(sent.firstIndex(of: key).map { $0 + 1 } ?? 1))",
            as: "CAST(count(*) = $\(sent.count + 1) AS integer)")
    }

    private static func parts(ofUpdate sql: String) -> (Substring, Substring) {
        guard let range = sql.firstRange(of: " WHERE ") else { preconditionFailure("an update of any row") }
        return (sql[..<range.lowerBound], sql[range.upperBound...])
    }

    private static func places(_ count: Int) -> String {
        "VALUES (" + Array(repeating: "?", count: count).joined(separator: ", ") + ")"
    }

    /// Whether the text puts one row of its values into a table, and does no more.
    static func isInsert(_ write: RowWrite) -> Bool {
        write.sql.hasPrefix("INSERT INTO ") && write.sql.hasSuffix(places(write.values.count))
    }
}

/// Questions, of which those for rows of one table become one statement.
struct GatheredQuestions {
    private var asked: [(sql: String, values: [[SQLValue]], isOfRows: Bool)] = []
    /// Of each question: its statement, and the row of that.
    private var places: [(statement: Int, id: Int64?)] = []

    init(_ questions: [StoreQuestion]) {
        var tables: [UInt16: Int] = [:]
        for question in questions {
            let table = question.row?.layout.number
            if let table, let place = tables[table] {
                asked[place].values.append(question.values)
                places.append((place, question.row?.id))
                continue
            }
            if let table { tables[table] = asked.count }
            places.append((asked.count, question.row?.id))
            asked.append((question.sql, [question.values], table != nil))
        }
    }

    var statements: [PostgresStatement] {
        asked.map {
            $0.isOfRows ? PostgresStatement($0.sql, for: $0.values) : PostgresStatement($0.sql, $0.values[0])
        }
    }

    /// Hands on the answers to the statements, in the order of the questions.
    func forEachRow(of answers: [PostgresAnswer], _ answer: (Int, RowCursor) throws -> Void) throws {
        var rows: [Int: [Int64: RowCursor]] = [:]
        for (place, (statement, id)) in places.enumerated() {
            guard let id else {
                try answers[statement].forEachRow(of: place, answer)
                continue
            }
            let found = rows[statement] ?? answers[statement].rowsByID
            rows[statement] = found
            if let row = found[id] { try answer(place, row) }
        }
    }
}

/// Writes that become one statement, in the order of the first of each.
struct GatheredWrites {
    struct Run {
        let write: RowWrite
        /// Whose writes keep their order.
        fileprivate let table: Substring
        fileprivate(set) var rows: [[SQLValue]]
        /// Of an update: no statement changes a row twice.
        fileprivate var ids: Set<Int64>
    }

    private(set) var runs: [Run] = []
    /// Those that further rows may join.
    private var open: [Int] = []

    /// - Parameter joinsUpdates: otherwise a row that is not there can be named.
    init(_ writes: some Collection<RowWrite>, joinsUpdates: Bool) {
        for write in writes {
            if let place = open.first(where: { runs[$0].write.sql == write.sql }), take(write, place) {
                continue
            }
            let table =
                write.sql.split(separator: " ", maxSplits: 3).dropFirst(write.row == nil ? 2 : 1).first ?? ""
            if write.row == nil ? PostgresRows.isInsert(write) : joinsUpdates {
                open.removeAll { runs[$0].table == table }
                open.append(runs.count)
            } else {
                // What it reads is not known here.
                open = []
            }
            runs.append(
                Run(
                    write: write, table: table, rows: [write.values],
                    ids: Set(write.row.map { [$0.id] } ?? [])))
        }
    }

    private mutating func take(_ write: RowWrite, _ place: Int) -> Bool {
        if let row = write.row, !runs[place].ids.insert(row.id).inserted { return false }
        runs[place].rows.append(write.values)
        return true
    }
}
