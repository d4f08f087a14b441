import CPostgres
import Foundation
import VaultCore
import VaultStore

/// One connection to the server, for one thread at a time.
///
/// ```
///  statements ─► pipeline ─► sync ─► flush ─► answers up to the sync        one turn, one wait for the network
/// ```
///
/// libpq never blocks here: it is asked only for what has arrived, and the wait for more is ours, with a deadline.
/// A session that failed in a way that leaves anything open is not used again.
final class PostgresSession {
    /// What comes back for what was sent, in its order.
    private enum Owed {
        case preparation(StatementKey?)
        /// Of the statement at this place in the turn; nil: no caller waits for it.
        case answer(Int?)
        case sync
    }

    let connection: OpaquePointer
    let pq: tv_pq
    private let isEncrypted: Bool
    private var names: [StatementKey: String] = [:]
    private var nameCount = 0
    private var owed: [Owed] = []
    private let notices = NoticedWarnings()
    private(set) var isUsable = true
    /// How often this waited for the server.
    private(set) var turns = 0

    // For the values of one statement.
    private var bytes: [UInt8] = []
    private var spans: [(start: Int, length: Int)?] = []

    /// Takes over a connection that libpq has opened.
    init(_ connection: OpaquePointer, _ pq: tv_pq) throws {
        (self.connection, self.pq) = (connection, pq)
        isEncrypted = pq.sslInUse(connection) != 0
        _ = pq.setNoticeReceiver(
            connection,
            { context, result in
                guard let context, let pq = try? Libpq.functions,
                    let severity = pq.resultErrorField(result, Int32(TV_PQ_FIELD_SEVERITY)),
                    String(cString: severity) == "WARNING"
                else { return }
                Unmanaged<NoticedWarnings>.fromOpaque(context).takeUnretainedValue().count += 1
            }, Unmanaged.passUnretained(notices).toOpaque())
        guard pq.setnonblocking(connection, 1) == 0, pq.enterPipelineMode(connection) == 1 else {
            throw PostgresError.lost
        }
    }

    deinit { pq.finish(connection) }

    /// Warnings until now. One at COMMIT tells of a commit that no standby confirmed.
    var warnings: Int { notices.count }

    /// As the server says with every change of it.
    var isPrimary: Bool {
        pq.parameterStatus(connection, "in_hot_standby").map { String(cString: $0) } == "off"
    }

    /// Not to be used again: something of it is left open, or its server is not the one to ask.
    ///
    /// The server is told at once: what it holds for this session, the lock too, others wait for.
    func discard() {
        guard isUsable else { return }
        isUsable = false
        shutdown(pq.socket(connection), Int32(SHUT_RDWR))
    }

    // MARK: Turns

    /// Sends statements together, and waits for the answers to all.
    ///
    /// - Parameters:
    ///   - limit: how long the server may be silent.
    ///   - waiting: called now and then; throws to give up, which ends the session.
    /// - Throws: ``PostgresError`` of the first statement that failed; those behind it were not run.
    func turn(
        _ statements: [PostgresStatement], within limit: Duration = .seconds(10),
        waiting: (() throws -> Void)? = nil
    ) throws -> [PostgresAnswer] {
        try send(statements, isAnswered: true, limit)
        turns += 1
        return try collect(statements.count, limit, waiting)
    }

    /// Sends statements whose answers no caller waits for.
    func post(_ statements: [PostgresStatement]) throws {
        try send(statements, isAnswered: false, .seconds(10))
    }

    private func send(_ statements: [PostgresStatement], isAnswered: Bool, _ limit: Duration) throws {
        guard isUsable else { throw PostgresError.lost }
        for statement in statements { try statement.check() }
        do {
            for (place, statement) in statements.enumerated() {
                try send(statement, name(of: statement))
                owed.append(.answer(isAnswered ? place : nil))
            }
            guard pq.pipelineSync(connection) == 1 else { throw PostgresError.lost }
            owed.append(.sync)
            try flush(.now + limit)
        } catch {
            discard()
            throw error
        }
    }

    /// The statement's name on the server; prepares it where it has none.
    private func name(of statement: PostgresStatement) throws -> String {
        let key = statement.isKept ? statement.key : nil
        if let known = key.flatMap({ names[$0] }) { return known }
        var name = ""
        if let key, names.count < Self.keptStatements {
            nameCount += 1
            name = "s\(nameCount)"
            names[key] = name
        }
        let types = statement.types
        let text = statement.text
        guard pq.sendPrepare(connection, name, text, Int32(types.count), types) == 1 else {
            throw PostgresError.lost
        }
        owed.append(.preparation(key))
        return name
    }

    /// Our texts are some hundreds.
    private static let keptStatements = 2000

    /// Every value in its binary form.
    private func send(_ statement: PostgresStatement, _ name: String) throws {
        bytes.removeAll(keepingCapacity: true)
        spans.removeAll(keepingCapacity: true)
        if let rows = statement.rows {
            for (column, type) in rows.types.enumerated() {
                guard let type else { continue }
                let start = bytes.count
                bytes.append(array: type.element, rows.rows.lazy.map { $0[column] }, count: rows.rows.count)
                spans.append((start, bytes.count - start))
            }
        }
        for value in statement.values {
            let start = bytes.count
            spans.append(bytes.append(binary: value) ? (start, bytes.count - start) : nil)
        }
        // So that an empty value has an address.
        bytes.append(0)
        let count = spans.count
        let sent = bytes.withUnsafeBytes { buffer in
            let base = buffer.baseAddress?.assumingMemoryBound(to: CChar.self)
            let values = spans.map { span in span.flatMap { span in base.map { $0 + span.start } } }
            let lengths = spans.map { Int32($0?.length ?? 0) }
            let formats = [Int32](repeating: 1, count: count)
            return pq.sendQueryPrepared(connection, name, Int32(count), values, lengths, formats, 1)
        }
        guard sent == 1 else { throw PostgresError.lost }
    }

    // MARK: Waiting

    private func flush(_ deadline: ContinuousClock.Instant) throws {
        while true {
            let rest = pq.flush(connection)
            if rest == 0 { return }
            guard rest > 0 else { throw PostgresError.lost }
            // The server may wait for us to read before it reads on.
            let ready = try wait(POLLIN | POLLOUT, until: deadline, nil)
            if ready & Int16(POLLIN) != 0, pq.consumeInput(connection) == 0 { throw PostgresError.lost }
        }
    }

    /// Reads all that is owed.
    private func collect(
        _ count: Int, _ limit: Duration, _ waiting: (() throws -> Void)?
    ) throws -> [PostgresAnswer] {
        let answers = (0..<count).map { _ in PostgresAnswer() }
        var failure: PostgresError?
        func fail(_ state: String, _ place: Int?) {
            if failure == nil { failure = PostgresError(state: state, place: place) }
        }
        let awaited = owed
        owed = []
        var unprepared: [StatementKey] = []
        do {
            for owed in awaited {
                switch owed {
                case .sync:
                    guard let result = try next(limit, waiting) else { throw PostgresError.lost }
                    defer { pq.clear(result) }
                    guard pq.resultStatus(result) == Int32(TV_PQ_PIPELINE_SYNC) else {
                        throw PostgresError.lost
                    }
                case .preparation(let key):
                    if try !take(nil, limit, waiting, { fail($0, nil) }), let key {
                        unprepared.append(key)
                    }
                case .answer(let place):
                    _ = try take(
                        place.map { answers[$0] } ?? PostgresAnswer(), limit, waiting,
                        { state in if place != nil { fail(state, place) } })
                }
            }
        } catch {
            discard()
            // What the server said before it closed the connection tells more.
            throw failure ?? error
        }
        for key in unprepared { names[key] = nil }
        guard let failure else { return answers }
        if failure.endsConnection { discard() }
        throw failure
    }

    /// Takes the results of one statement.
    ///
    /// - Returns: whether it was run.
    private func take(
        _ answer: PostgresAnswer?, _ limit: Duration, _ waiting: (() throws -> Void)?,
        _ fail: (String) -> Void
    ) throws -> Bool {
        // Rows one by one, so that the bound is ours.
        if answer != nil { _ = pq.setSingleRowMode(connection) }
        var isDone = false
        while let result = try next(limit, waiting) {
            defer { pq.clear(result) }
            switch pq.resultStatus(result) {
            case Int32(TV_PQ_SINGLE_TUPLE), Int32(TV_PQ_TUPLES_OK):
                try answer?.take(result, pq)
                isDone = true
            case Int32(TV_PQ_COMMAND_OK):
                answer?.changedRows = pq.cmdTuples(result).flatMap { Int(String(cString: $0)) } ?? 0
                isDone = true
            case Int32(TV_PQ_PIPELINE_ABORTED): isDone = false
            default:
                let state = pq.resultErrorField(result, Int32(TV_PQ_FIELD_SQLSTATE))
                guard let state else { throw PostgresError.lost }
                isDone = false
                fail(String(cString: state))
            }
        }
        return isDone
    }

    /// The next result of a statement; nil at its end.
    private func next(_ limit: Duration, _ waiting: (() throws -> Void)?) throws -> OpaquePointer? {
        var deadline: ContinuousClock.Instant?
        while pq.isBusy(connection) == 1 {
            let until = deadline ?? .now + limit
            deadline = until
            // Bytes that TLS has decrypted do not make the socket readable.
            if isEncrypted {
                guard pq.consumeInput(connection) == 1 else { throw PostgresError.lost }
                if pq.isBusy(connection) == 0 { break }
            }
            _ = try wait(POLLIN, until: until, waiting)
            guard pq.consumeInput(connection) == 1 else { throw PostgresError.lost }
        }
        guard pq.status(connection) == Int32(TV_PQ_CONNECTED) else {
            if let last = pq.getResult(connection) { return last }
            throw PostgresError.lost
        }
        return pq.getResult(connection)
    }

    private func wait(
        _ events: Int32, until deadline: ContinuousClock.Instant, _ waiting: (() throws -> Void)?
    ) throws -> Int16 {
        var descriptor = pollfd(fd: pq.socket(connection), events: Int16(events), revents: 0)
        guard descriptor.fd >= 0 else { throw PostgresError.lost }
        while true {
            let left = (deadline - .now).milliseconds
            guard left > 0 else { throw PostgresError.lost }
            let found = poll(&descriptor, 1, Int32(clamping: waiting == nil ? left : min(left, 20)))
            if found > 0 { return descriptor.revents }
            guard found == 0 || errno == EINTR else { throw PostgresError.lost }
            try waiting?()
        }
    }
}

/// Counts what libpq hands to its receiver of notices, on the thread that reads.
private final class NoticedWarnings {
    var count = 0
}

extension [UInt8] {
    /// Appends a value as the server takes it, but for a null.
    ///
    /// - Returns: whether it is no null.
    fileprivate mutating func append(binary value: SQLValue) -> Bool {
        switch value {
        case .null: return false
        case .integer(let value): append(bigEndian: value)
        case .text(let value): append(contentsOf: value.utf8)
        case .blob(let value): append(contentsOf: value)
        }
        return true
    }

    /// Appends an array: dimensions (4) ‖ whether there are nulls (4) ‖ type (4) ‖ count (4) ‖ first index (4) ‖ each value with
    /// its length before it (4), which is -1 for a null.
    fileprivate mutating func append(array type: UInt32, _ values: some Sequence<SQLValue>, count: Int) {
        for word in [1, 1, type, UInt32(count), 1] { append(bigEndian: word) }
        for value in values {
            let start = self.count
            append(bigEndian: UInt32.max)
            guard append(binary: value) else { continue }
            let length = UInt32(self.count - start - 4)
            Swift.withUnsafeBytes(of: length.bigEndian) { replaceSubrange(start..<start + 4, with: $0) }
        }
    }
}
