import GRDB
import GRDBSQLite
import Synchronization

/// A few read-only connections, used in turn.
final class ReaderConnections: Sendable {
    private let connections: [Reader]
    /// Indexes of connections that nobody uses now.
    private let idle: Mutex<[Int]>
    private let next = Atomic<Int>(0)

    init(_ path: String, count: Int) throws {
        connections = try (0..<count).map { _ in Reader(queue: try Connections.openReader(path)) }
        idle = Mutex(Array(0..<count))
    }

    /// Runs `body` on a connection. Statements are their own transactions: one statement, one snapshot.
    func read<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try withConnection { connection in try connection.queue.inDatabase(body) }
    }

    /// The first row of a query that is run for every request.
    func firstRow<Result>(
        of query: FrequentQuery, _ values: [SQLValue], _ body: (Database, RowCursor) throws -> Result
    ) throws -> Result? {
        try withConnection { connection in
            try connection.queue.inDatabase { database in
                let statement = try connection.statement(query, database)
                return try database.firstRow(of: statement, values) { try body(database, $0) }
            }
        }
    }

    private func withConnection<Result>(_ body: (Reader) throws -> Result) throws -> Result {
        // An idle connection if there is one; otherwise a place in the line of the next.
        let own = idle.withLock { $0.popLast() }
        defer { if let own { idle.withLock { $0.append(own) } } }
        let turn =
            own
            ?? Int(
                UInt(bitPattern: next.wrappingAdd(1, ordering: .relaxed).oldValue) % UInt(connections.count))
        do {
            return try body(connections[turn])
        } catch { throw StorageFailure.translate(error) }
    }

    /// Runs `body` within one read transaction: every statement sees the same snapshot.
    func snapshot<Result>(_ body: (Database) throws -> Result) throws -> Result {
        try read { database in
            try database.execute(sql: "BEGIN DEFERRED")
            let result: Result
            do { result = try body(database) } catch {
                try? database.execute(sql: "ROLLBACK")
                throw error
            }
            try database.execute(sql: "COMMIT")
            return result
        }
    }

    func close() throws {
        for connection in connections { try connection.close() }
    }
}

/// A query run so often that to find it in a connection's cache by its text would show.
enum FrequentQuery: Int, CaseIterable {
    /// The vault row and the grant of an access token, in one snapshot.
    case accessToken

    var sql: String {
        switch self {
        case .accessToken: Vault.validationSQL
        }
    }
}

/// A connection and its frequent statements.
private final class Reader: @unchecked Sendable {
    let queue: DatabaseQueue
    // @unchecked: touched on the queue only.
    private var statements = [Statement?](repeating: nil, count: FrequentQuery.allCases.count)

    init(queue: DatabaseQueue) { self.queue = queue }

    /// The statement, prepared when first asked for; on the queue.
    func statement(_ query: FrequentQuery, _ database: Database) throws -> SQLiteStatement {
        if let known = statements[query.rawValue] { return known.sqliteStatement }
        let new = try database.makeStatement(sql: query.sql)
        statements[query.rawValue] = new
        return new.sqliteStatement
    }

    /// SQLite closes no connection that has statements.
    func close() throws {
        queue.inDatabase { _ in statements = [] }
        try queue.close()
    }
}
