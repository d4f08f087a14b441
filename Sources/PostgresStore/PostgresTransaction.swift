import VaultCore
import VaultStore

/// The one write transaction there is, from the lock to the commit.
///
/// ```
///  BEGIN · lock · clock, role, standbys, schema · questions        one turn
///  writes · COMMIT                                                 one turn
/// ```
///
/// The server lets one transaction at a time have the lock, and holds it until the commit is where it has to be: each sees
/// all that was committed before, and none waits for another's rows.
final class PostgresTransaction: StoreTransaction, StatementEngine {
    /// What the server said when it gave the lock.
    struct Opening {
        let time: Int64
        /// When that was heard, on this machine's clock: the server says it after a wait for the lock.
        let heardAt: ContinuousClock.Instant
        let hasStandbys: Bool
        let schema: Int
    }

    private(set) var session: PostgresSession
    private(set) var isContinued: Bool
    private(set) var opening: Opening?
    private let opened: (Opening) throws -> StoreTime?
    private let reconnect: (() throws -> PostgresSession)?
    private let end: ContinuousClock.Instant?
    private var waiting: () throws -> Void
    private let beginning: [PostgresStatement]
    private(set) var time: StoreTime?
    /// What failed outside of a savepoint: nothing further can be done then, but to begin again.
    private(set) var failure: (any Error)?
    private var hasBegun = false
    private var isInSavepoint = false

    var database: Database { Database(self) }

    /// - Parameters:
    ///   - isFirst: there are no tables yet.
    ///   - end: until when the server has to have answered all; nil: each turn may take its time.
    ///   - reconnect: opens another session where this one turns out to be lost before anything was done; nil: none.
    ///   - opened: is told of the opening; what it returns is the transaction's time.
    init(
        _ session: PostgresSession, isContinued: Bool, isFirst: Bool = false,
        until end: ContinuousClock.Instant? = nil,
        reconnect: (() throws -> PostgresSession)? = nil,
        waiting: @escaping () throws -> Void = {}, opened: @escaping (Opening) throws -> StoreTime?
    ) {
        (self.session, self.isContinued, self.reconnect) = (session, isContinued, reconnect)
        (self.waiting, self.opened, self.end) = (waiting, opened, end)
        beginning = isFirst ? Self.beginningOfNone : Self.beginning
    }

    // MARK: The first turn

    private static func beginning(_ schema: String) -> [PostgresStatement] {
        [
            PostgresStatement("BEGIN"),
            PostgresStatement("SELECT pg_advisory_xact_lock(?)", [.integer(PostgresStore.lockKey)]),
            PostgresStatement(
                """
                SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint), pg_is_in_recovery(),
                current_setting('synchronous_standby_names') <> '', \(schema)
                """),
        ]
    }
    private static let beginning = beginning("(SELECT coalesce(max(version), 0) FROM schema_migrations)")
    private static let beginningOfNone = beginning("CAST(0 AS bigint)")

    func ask(_ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void) throws {
        let asked = GatheredQuestions(questions)
        try asked.forEachRow(of: turn(asked.statements), answer)
    }

    /// Takes the lock, if that was not done yet.
    func begin() throws { if opening == nil { _ = try turn([]) } }

    private func turn(_ statements: [PostgresStatement]) throws -> [PostgresAnswer] {
        guard opening == nil else {
            let limit = end.map { max($0 - .now, PostgresStore.briefly) } ?? PostgresStore.patience
            do { return try session.turn(statements, within: limit) } catch {
                if !isInSavepoint, failure == nil { failure = error }
                throw error
            }
        }
        var mayReconnect = reconnect
        hasBegun = true
        while true {
            do {
                let answers = try session.turn(beginning + statements, waiting: waiting)
                try note(answers[2])
                return Array(answers.dropFirst(beginning.count))
            } catch let error as PostgresError where error.isLockTimeout && error.place == 1 {
                _ = try session.turn([PostgresStatement("ROLLBACK")])
                try waiting()
            } catch let error as PostgresError where error.endsConnection && mayReconnect != nil {
                // Nothing was done yet: a connection that rested may have been lost meanwhile.
                session.discard()
                if let mayReconnect { session = try mayReconnect() }
                // Another server may be there by now, which lacks what the one before confirmed.
                isContinued = false
                mayReconnect = nil
            }
        }
    }

    private func note(_ answer: PostgresAnswer) throws {
        guard let row = answer.firstRow, row.integer(1) == 0 else {
            session.discard()
            throw PostgresError(state: "25006")
        }
        let found = Opening(
            time: row.integer(0), heardAt: .now, hasStandbys: row.integer(2) == 1, schema: Int(row.integer(3))
        )
        opening = found
        time = try opened(found)
    }

    // MARK: Statements

    func forEachRow(_ sql: String, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool) throws {
        try turn([PostgresStatement(sql, values)])[0].forEachRow(body)
    }

    func hasTable(_ name: String) throws -> Bool { try catalog.hasTable(name) }
    func hasLost(_ table: String, _ id: Int64) throws -> Bool { false }
    func indexFaults(of table: String) throws -> [String] { [] }

    private var catalog: PostgresCatalog { PostgresCatalog(self) }

    func apply(_ writes: some Collection<RowWrite>) throws {
        let writes = PlacedWrites(writes, joinsUpdates: false)
        do { _ = try turn(writes.statements) } catch { throw writes.explain(error) }
    }

    /// Runs what has no values: the statements of a migration.
    func run(_ statements: [String]) throws {
        _ = try turn(statements.map { PostgresStatement($0, isKept: false) })
    }

    func savepoint(_ body: () throws -> Void) throws {
        _ = try turn([PostgresStatement("SAVEPOINT body")])
        isInSavepoint = true
        defer { isInSavepoint = false }
        do {
            try body()
            _ = try turn([PostgresStatement("RELEASE SAVEPOINT body")])
        } catch {
            guard !isGone(after: error) else { throw TransactionGone(cause: error) }
            do {
                _ = try session.turn([
                    PostgresStatement("ROLLBACK TO SAVEPOINT body"),
                    PostgresStatement("RELEASE SAVEPOINT body"),
                ])
            } catch { throw TransactionGone(cause: error) }
            throw error
        }
    }

    /// A statement that failed fails all behind it, up to the end of a savepoint.
    func isGone(after error: any Error) -> Bool {
        !session.isUsable || (error as? PostgresError)?.concernsStorage == true
    }

    // MARK: The last turn

    /// Whether a row could not be written, and nothing was.
    struct NotApplied: Error { let cause: any Error }
    /// Whether it is committed is not known.
    struct Uncertain: Error { let cause: any Error }

    /// - Parameters:
    ///   - others: what the store writes besides.
    ///   - limit: how long the server may be silent.
    func commit(
        _ writes: [RowWrite], _ others: [PostgresStatement] = [],
        within limit: Duration = PostgresStore.patience
    ) throws {
        let placed = PlacedWrites(writes, joinsUpdates: true)
        let statements = placed.statements + others + [PostgresStatement("COMMIT")]
        let warnings = session.warnings
        do {
            _ = try session.turn(statements, within: limit)
        } catch {
            guard session.isUsable else { throw Uncertain(cause: error) }
            rollBack()
            // A value that cannot be sent is one body's, too.
            let isOfRow = error is VaultError || (error as? PostgresError)?.concernsStorage == false
            throw isOfRow ? NotApplied(cause: placed.explain(error)) : error
        }
        // The server gave up waiting for a standby: what others see already may be lost with it.
        guard session.warnings == warnings else {
            session.discard()
            throw Uncertain(cause: PostgresError.lost)
        }
    }

    /// Lets go of what waits for the lock: it is its caller's, only as long as that runs.
    func forget() { waiting = {} }

    /// Lets the lock go, without waiting for the server.
    func rollBack() {
        guard session.isUsable, hasBegun else { return }
        do { try session.post([PostgresStatement("ROLLBACK")]) } catch { session.discard() }
    }
}

/// Writes, and the row that a statement is about.
private struct PlacedWrites {
    private(set) var statements: [PostgresStatement] = []
    private var rows: [Int: (layout: TableLayout, id: Int64)] = [:]

    init(_ writes: some Collection<RowWrite>, joinsUpdates: Bool) {
        for run in GatheredWrites(writes, joinsUpdates: joinsUpdates).runs {
            if let row = run.write.row, run.rows.count == 1 { rows[statements.count] = row }
            statements += PostgresStatement.writing(run)
        }
    }

    /// The error for a row that was not there, where it is that. Which of several it was tells the next try, with savepoints.
    func explain(_ error: any Error) -> any Error {
        guard let failure = error as? PostgresError, failure.isMissingRow,
            let row = failure.place.flatMap({ rows[$0] })
        else { return error }
        return LostRow.error(row.layout, row.id)
    }
}
