import Foundation
import VaultCore
import VaultStore

/// A few connections for reading. A caller waits for a free one, so it has to be on a thread that may block.
final class PostgresReaders: StoreReader, @unchecked Sendable {
    // @unchecked: the variables are touched under `condition` only; a session is used by the one who took it.
    private let condition = NSCondition()
    private var idle: [PostgresSession] = []
    private var count = 0
    private var isClosed = false
    private var turnCount = 0
    private let limit: Int
    private let ledger: PostgresLedger
    private let open: @Sendable () throws -> PostgresSession
    /// Whether every query goes through a cursor: whole tables are read.
    private let isLong: Bool

    init(
        _ limit: Int, isLong: Bool, _ ledger: PostgresLedger,
        _ open: @escaping @Sendable () throws -> PostgresSession
    ) {
        (self.limit, self.isLong, self.ledger, self.open) = (limit, isLong, ledger, open)
    }

    func withConnection(_ body: (Database) throws -> Void) throws {
        try withReading(isSnapshot: false) { try body(Database($0)) }
    }

    func withSnapshot(_ body: (Database) throws -> Void) throws {
        try withReading(isSnapshot: true) { reading in
            defer { reading.end() }
            try body(Database(reading))
        }
    }

    var turns: Int { condition.withLock { turnCount } }

    func close() throws {
        condition.withLock {
            isClosed = true
            idle = []
            condition.broadcast()
        }
    }

    private func withReading(isSnapshot: Bool, _ body: (PostgresReading) throws -> Void) throws {
        let (session, isFresh) = try take()
        var reopening: (() throws -> PostgresSession)?
        if !isFresh { reopening = open }
        let reading = PostgresReading(
            session, isSnapshot: isSnapshot, isLong: isLong, reopening: reopening)
        defer { give(reading.session, reading.turns) }
        do { try body(reading) } catch let signal as any StoreSignal { throw signal } catch {
            let failure = PostgresFailure.translate(error)
            // What it showed may be of a server that was replaced.
            if failure.code == .unavailable { reading.session.discard() }
            guard failure.code == .integrity, reading.session.isUsable else { throw failure }
            throw ledger.explain(failure, Database(PostgresReading(reading.session)))
        }
    }

    /// - Returns: also whether the connection was opened for this.
    private func take() throws -> (PostgresSession, Bool) {
        condition.lock()
        let deadline = Date().addingTimeInterval(10)
        while !isClosed {
            if let session = idle.popLast() {
                condition.unlock()
                return (session, false)
            }
            if count < limit {
                count += 1
                condition.unlock()
                do { return (try open(), true) } catch {
                    condition.withLock {
                        count -= 1
                        condition.signal()
                    }
                    throw PostgresFailure.translate(error)
                }
            }
            guard condition.wait(until: deadline) else {
                condition.unlock()
                throw VaultError(
                    .busy, "Every connection for reading is in use.", remedy: "Try again in a moment.")
            }
        }
        condition.unlock()
        throw VaultError(.unavailable, "The vault is closed.")
    }

    private func give(_ session: PostgresSession, _ turns: Int) {
        condition.withLock {
            turnCount += turns
            if session.isUsable, !isClosed {
                idle.append(session)
            } else {
                count -= 1
                // The others are of the same server.
                count -= idle.count
                idle = []
            }
            condition.signal()
        }
    }
}

/// What reads on one connection: each statement by itself, or all in one snapshot.
private final class PostgresReading: StatementEngine {
    private(set) var session: PostgresSession
    private let isSnapshot: Bool
    private let isLong: Bool
    private var hasBegun = false
    /// To be sent before the next question: costs no turn.
    private var before: [PostgresStatement] = []
    private var cursors = 0
    private(set) var turns = 0

    /// Opens another connection where this one, which rested, turns out to be lost; nil: once something was asked.
    private var reopening: (() throws -> PostgresSession)?

    private static let rowsAtOnce = 500

    init(
        _ session: PostgresSession, isSnapshot: Bool = false, isLong: Bool = false,
        reopening: (() throws -> PostgresSession)? = nil
    ) {
        (self.session, self.isSnapshot, self.isLong) = (session, isSnapshot, isLong)
        self.reopening = reopening
        if isSnapshot { before = [PostgresStatement("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")] }
    }

    /// Lets the snapshot go, without waiting for the server.
    func end() {
        guard hasBegun, session.isUsable else { return }
        do { try session.post([PostgresStatement("COMMIT")]) } catch { session.discard() }
    }

    private func ask(_ statements: [PostgresStatement]) throws -> ArraySlice<PostgresAnswer> {
        let first = before.count
        let all = before + statements
        before = []
        hasBegun = hasBegun || isSnapshot
        let answers: ArraySlice<PostgresAnswer>
        do { answers = try turn(all)[first...] } catch let error as PostgresError where error.endsConnection {
            guard let reopening else { throw error }
            self.reopening = nil
            session.discard()
            session = try reopening()
            answers = try turn(all)[first...]
        }
        reopening = nil
        guard session.isPrimary else {
            session.discard()
            throw PostgresError(state: "25006")
        }
        return answers
    }

    private func turn(_ statements: [PostgresStatement]) throws -> [PostgresAnswer] {
        turns += 1
        return try session.turn(statements, within: .seconds(isLong ? 600 : 30))
    }

    func forEachRow(_ sql: String, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool) throws {
        guard isLong else { return try ask([PostgresStatement(sql, values)]).first?.forEachRow(body) ?? () }
        let name = "c\(cursors)"
        cursors += 1
        defer {
            cursors -= 1
            before.append(PostgresStatement("CLOSE \(name)"))
        }
        let fetch = PostgresStatement("FETCH \(Self.rowsAtOnce) FROM \(name)")
        let declaration = PostgresStatement("DECLARE \(name) NO SCROLL CURSOR FOR " + sql, values)
        var answer = try ask([declaration, fetch]).last
        while let rows = answer {
            var isWanted = true
            try rows.forEachRow {
                isWanted = try body($0)
                return isWanted
            }
            guard isWanted, rows.rowCount == Self.rowsAtOnce else { return }
            answer = try ask([fetch]).last
        }
    }

    func ask(_ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void) throws {
        let asked = GatheredQuestions(questions)
        try asked.forEachRow(of: Array(ask(asked.statements)), answer)
    }

    func hasTable(_ name: String) throws -> Bool { try PostgresCatalog(self).hasTable(name) }
    // The server checks its pages and indexes itself.
    func hasLost(_ table: String, _ id: Int64) throws -> Bool { false }
    func indexFaults(of table: String) throws -> [String] { [] }
}
