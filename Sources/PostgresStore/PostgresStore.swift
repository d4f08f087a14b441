import Foundation
package import Logging
import Synchronization
package import VaultCore
import VaultCrypto
package import VaultMigrations
package import VaultStore

/// A vault in a PostgreSQL database, which any number of machines may have open.
///
/// Writers take one advisory lock, which the server holds until the commit is where it has to be. What a commit's loss of
/// the connection leaves open is settled by ``settle(_:_:)``.
///
/// ```
///  lock, head, vault row, rows asked for ─► body ─► all writes, COMMIT ─► durable
///                                                    └─ no word of it ─► new connection, lock, look, commit ─► there | not | unknown
/// ```
package final class PostgresStore: VaultStore, @unchecked Sendable {
    // @unchecked: `writer`, `committed` and `seenAt` are used by the thread that commits only; the rest is behind a mutex.
    package let place: PostgresPlace
    /// Whether no standby is wanted.
    package let isSingle: Bool
    private let logger: Logger
    private let ledger: PostgresLedger
    private let machineClock: Bool
    private let system: Int64
    private let readers: PostgresReaders
    private let state: Mutex<State>
    /// Names this process among those that serve.
    private let instance = SystemRandom().bytes(16)
    private var writer: PostgresSession?
    /// The session of the newest commit, if that was acknowledged by it.
    private var committed: ObjectIdentifier?
    private var seenAt = ContinuousClock.now

    private struct State {
        /// What the primary's clock said, and when that was heard.
        var time: Int64
        var heardAt: ContinuousClock.Instant
        var hasStandbys: Bool
        /// When the newest commit that was acknowledged was sent, on a clock that goes on while the machine sleeps.
        var provenAt: ContinuousClock.Instant?
        var isServing = false
        var isLooking = false
        var isClosed = false
        var newestTurns = 0
    }

    /// "tokenvlt"
    static let lockKey: Int64 = 0x746f_6b65_6e76_6c74
    /// How long a commit may take, from the wait for the lock until it is known what became of it.
    static let patience = Duration.seconds(10)
    /// What each turn gets at the least, however long the lock was waited for.
    static let briefly = Duration.seconds(1)
    private static let readerCount = 4
    private static let servingSpan = Duration.seconds(5)

    /// Opens an existing vault, and brings its tables up to date.
    ///
    /// - Parameters:
    ///   - usesMachineClock: time is this machine's, not the primary's: where all that uses the vault shares a clock.
    ///   - admitsCopy: it may be a copy whose move has not ended.
    package convenience init(
        at place: PostgresPlace, logger: Logger, migrations: [Migration] = Migration.all,
        usesMachineClock: Bool = false, admitsCopy: Bool = false
    ) throws {
        let ledger = PostgresLedger(migrations, admitsCopy: admitsCopy)
        var isSingle = false
        let (session, facts) = try Self.transaction(at: place, isFirst: true) { transaction in
            isSingle = try Self.bringUpToDate(place, ledger, transaction)
        }
        self.init(place, session, facts, isSingle, ledger, logger, usesMachineClock)
    }

    private init(
        _ place: PostgresPlace, _ session: PostgresSession, _ facts: ServerFacts, _ isSingle: Bool,
        _ ledger: PostgresLedger, _ logger: Logger, _ usesMachineClock: Bool
    ) {
        (self.place, self.isSingle, self.ledger, self.logger) = (place, isSingle, ledger, logger)
        machineClock = usesMachineClock
        system = facts.system
        state = Mutex(State(time: facts.time, heardAt: facts.heardAt, hasStandbys: facts.hasStandbys))
        readers = PostgresReaders(Self.readerCount, isLong: false, ledger) {
            try PostgresConnecting.open(place, .reading).0
        }
        writer = session
    }

    /// Makes the tables in a database that has none of ours, and what `body` puts into them.
    ///
    /// - Parameters:
    ///   - isSingle: no standby is wanted: a commit counts when the one server has it.
    ///   - vault: the vault of which an unfinished copy may be there, which is replaced.
    /// - Throws: ``VaultError/Code/alreadyExists`` where tables are; nothing is changed.
    package static func create(
        at place: PostgresPlace, isSingle: Bool, logger: Logger, at now: VaultInstant,
        usesMachineClock: Bool = false, replacing vault: VaultID? = nil,
        _ body: (any StoreTransaction) throws -> Void
    ) throws -> PostgresStore {
        let ledger = PostgresLedger()
        let (session, facts) = try transaction(
            at: place, isFirst: true,
            accepts: { guard isSingle || $0.hasStandbys else { throw unconfirmed } }
        ) { transaction in
            try makeTables(place, ledger, transaction, isSingle: isSingle, at: now, replacing: vault)
            try body(transaction)
            // Jobs that came from elsewhere brought their numbers.
            _ = try transaction.database.finds(
                "SELECT setval(pg_get_serial_sequence('jobs', 'id'), id) FROM jobs ORDER BY id DESC LIMIT 1")
        }
        return PostgresStore(place, session, facts, isSingle, ledger, logger, usesMachineClock)
    }

    package var path: String { place.name }
    package var isRemote: Bool { true }
    package func translate(_ error: any Error) -> VaultError { PostgresFailure.translate(error) }
    package func refuseNewer(_ database: Database) throws { try ledger.refuseNewer(database) }

    // MARK: Reading

    package var reader: any StoreReader {
        get throws {
            try refuseClosed()
            return readers
        }
    }

    package func longReader() throws -> any StoreReader {
        try refuseClosed()
        return PostgresReaders(1, isLong: true, ledger) { [place] in
            try PostgresConnecting.open(place, .studying).0
        }
    }

    /// Reads what is there, a vault or not, and changes nothing.
    package static func examiner(of place: PostgresPlace) throws -> any StoreReader {
        PostgresReaders(1, isLong: false, PostgresLedger()) {
            try PostgresConnecting.open(place, .studying).0
        }
    }

    private func refuseClosed() throws {
        if state.withLock({ $0.isClosed }) { throw VaultError(.unavailable, "The vault is closed.") }
    }

    // MARK: Time

    package func time(by clock: any VaultClock) -> StoreTime {
        guard !machineClock else { return StoreTime(by: clock) }
        return state.withLock { time($0.time + (ContinuousClock.now - $0.heardAt).milliseconds) }
    }

    private func time(_ milliseconds: Int64) -> StoreTime {
        StoreTime(
            now: VaultInstant(millisecondsSince1970: milliseconds),
            reading: ClockReading(
                clock: ClockReading.serverPrefix + "\(UInt64(bitPattern: system))", milliseconds: milliseconds
            ))
    }

    // MARK: Committing

    /// How often the newest commit waited for the server.
    package var newestTurns: Int { state.withLock { $0.newestTurns } }

    /// How often reads that are soon over waited for the server.
    package var readingTurns: Int { readers.turns }

    package func commit(
        waiting: () throws -> Void, _ body: (any StoreTransaction) throws -> StoreCommit?,
        durable: (Result<Bool, VaultError>) -> Void
    ) -> CommitOutcome {
        do {
            try refuseClosed()
            return try withoutActuallyEscaping(waiting) { try commit($0, body, durable) }
        } catch let error as PostgresTransaction.NotApplied {
            return .notApplied(translate(error.cause))
        } catch let error as TransactionGone {
            return .failed(translate(error.cause))
        } catch { return .failed(translate(error)) }
    }

    private func commit(
        _ waiting: @escaping () throws -> Void, _ body: (any StoreTransaction) throws -> StoreCommit?,
        _ durable: (Result<Bool, VaultError>) -> Void
    ) throws -> CommitOutcome {
        let end = ContinuousClock.now + Self.patience
        let (session, isFresh) = try writer.map { ($0, false) } ?? (connect(), true)
        let turns = session.turns
        // Kept again when it has proved to be in order.
        writer = nil
        let transaction = PostgresTransaction(
            session, isContinued: committed == ObjectIdentifier(session), until: end,
            reconnect: isFresh ? nil : { [self] in try connect() }, waiting: waiting, opened: note)
        defer {
            transaction.forget()
            if transaction.session.isUsable { writer = transaction.session }
        }
        let commit: StoreCommit
        do {
            let wanted = try body(transaction)
            // A body saw the error, and others went on without a transaction: each is to have its savepoint.
            if let failure = transaction.failure { throw PostgresTransaction.NotApplied(cause: failure) }
            guard let wanted else {
                transaction.rollBack()
                return .unchanged
            }
            commit = wanted
        } catch {
            transaction.rollBack()
            // What it showed may be of a server that was replaced.
            if (error as? VaultError)?.code == .unavailable { transaction.session.discard() }
            throw error
        }
        let sent = ContinuousClock.now
        // The other half is for finding out what became of it, where that can be seen, from a server that answers.
        let limit = max(commit.isThere == nil ? end - sent : (end - sent) / 2, Self.briefly)
        do { try transaction.commit(commit.writes, signOfLife(), within: limit) } catch let error
            as PostgresTransaction.Uncertain
        {
            committed = nil
            logger.warning(
                "The outcome of a commit is not known; it is being looked for.",
                metadata: ["sqlstate": "\((error.cause as? PostgresError)?.state ?? "none")"])
            return settle(commit, until: end, waiting, durable)
        }
        committed = ObjectIdentifier(transaction.session)
        state.withLock { ($0.provenAt, $0.newestTurns) = (sent, transaction.session.turns - turns) }
        // Older versions of rows are in the server's hands, and gone with its next VACUUM.
        durable(.success(commit.emptiesLog))
        return .committed
    }

    private func connect() throws -> PostgresSession {
        committed = nil
        let (session, facts) = try PostgresConnecting.open(place, .writing)
        guard facts.system == system else {
            throw VaultError(
                .integrity,
                "The service \(place.service) names another database server than when the vault was opened.",
                remedy: "Check the service, then open the vault again.")
        }
        return session
    }

    /// The lock was given.
    private func note(_ opening: PostgresTransaction.Opening) throws -> StoreTime? {
        try ledger.refuse(newerThanKnown: opening.schema)
        state.withLock {
            ($0.time, $0.heardAt, $0.hasStandbys) = (opening.time, opening.heardAt, opening.hasStandbys)
        }
        return machineClock ? nil : time(opening.time)
    }

    /// Finds out about a commit whose outcome is not known. The lock waits for the old session, if that still commits; and
    /// what is seen is believed only when a commit after it was acknowledged, which a standby then has too.
    private func settle(
        _ commit: StoreCommit, until end: ContinuousClock.Instant, _ waiting: () throws -> Void,
        _ durable: (Result<Bool, VaultError>) -> Void
    ) -> CommitOutcome {
        guard let isThere = commit.isThere else { return .unknown }
        while ContinuousClock.now < end {
            do {
                let session = try connect()
                let transaction = PostgresTransaction(
                    session, isContinued: false, until: end,
                    waiting: {
                        guard ContinuousClock.now < end else { throw PostgresError.lost }
                    }, opened: note)
                do {
                    try transaction.begin()
                    // Where none is wanted, the server would confirm what is lost with it.
                    guard acceptsNewWork else { throw PostgresError.lost }
                    let found = try isThere(transaction.database)
                    let sent = ContinuousClock.now
                    try transaction.commit(proof, within: end - .now)
                    state.withLock { $0.provenAt = sent }
                    writer = session
                    guard found else { return .failed(Self.notTaken) }
                    durable(.success(commit.emptiesLog))
                    return .committed
                } catch {
                    transaction.rollBack()
                    throw error
                }
            } catch {
                // Callers whose time is up are told so meanwhile.
                try? waiting()
                usleep(100_000)
            }
        }
        return .unknown
    }

    private static let notTaken = VaultError(
        .unavailable, "The connection to the database server was lost; nothing was changed.",
        remedy: "Try again in a moment.")

    /// A primary that is cut off from its standbys acknowledges nothing. What it says of tokens counts for a while after its
    /// last acknowledgement, so that one which was taken back elsewhere is called valid no longer than that.
    package var vouchesForReads: Bool {
        state.withLock { $0.provenAt.map { ContinuousClock.now - $0 <= Self.readLease } ?? false }
    }

    package let proof = [RowWrite("UPDATE store_state SET settled = settled + 1 WHERE id = 1")]
    private static let readLease = Duration.seconds(15)

    // MARK: Standbys

    package var acceptsNewWork: Bool { isSingle || state.withLock { $0.hasStandbys } }

    package func refusalOfNewWork() -> VaultError? { acceptsNewWork ? nil : Self.unconfirmed }

    /// Looks, on a thread of its own, whether standbys confirm again.
    package func keepUp() {
        guard !acceptsNewWork else { return }
        let isFirst = state.withLock { state in
            defer { state.isLooking = true }
            return !state.isLooking
        }
        guard isFirst else { return }
        BlockingThread.run { [self] in
            let facts = try? PostgresConnecting.open(place, .reading).1
            state.withLock {
                $0.isLooking = false
                if let facts { $0.hasStandbys = facts.hasStandbys }
            }
        }
    }

    private static let unconfirmed = VaultError(
        .unavailable,
        "The database server confirms commits without a standby (synchronous_standby_names is empty): they would be lost with it.",
        remedy: "Set synchronous_standby_names on the primary; what finishes something is still taken.")

    // MARK: Serving

    package func beginServing() throws -> Bool {
        var isFirst = true
        try Self.transaction(at: place) { transaction in
            isFirst = try !transaction.database.finds(Self.served + " AND id <> ?", [.blob(instance)])
            try transaction.apply([
                // Of processes that were killed.
                RowWrite("DELETE FROM instances WHERE seen_at < \(Self.serverTime) - 86400000"),
                RowWrite(Self.seen, seenValues),
            ])
        }
        state.withLock { $0.isServing = true }
        return isFirst
    }

    package func isServed() throws -> Bool {
        try reader.read { try $0.finds(Self.served) }
    }

    static let served = "SELECT 1 FROM instances WHERE seen_at > \(serverTime) - 15000"

    private static let serverTime = "CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
    private static let seen = """
        INSERT INTO instances (id, host, schema, seen_at) VALUES (?, ?, ?, \(serverTime))
        ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at
        """

    private var seenValues: [SQLValue] {
        [
            .blob(instance), .text(String(ProcessInfo.processInfo.hostName.prefix(255))),
            .integer(Int64(ledger.newest)),
        ]
    }

    /// Now and then goes with a commit, so that others see that this process serves.
    private func signOfLife() -> [PostgresStatement] {
        guard ContinuousClock.now - seenAt >= Self.servingSpan, state.withLock({ $0.isServing }) else {
            return []
        }
        seenAt = .now
        return [PostgresStatement(Self.seen, seenValues)]
    }

    /// After the last commit.
    package func close() throws {
        let wasServing = state.withLock { state in
            defer { (state.isClosed, state.isServing) = (true, false) }
            return state.isServing && !state.isClosed
        }
        try readers.close()
        if wasServing, let writer {
            // Who does not get there is not counted any more after 15 seconds.
            _ = try? writer.turn([PostgresStatement("DELETE FROM instances WHERE id = ?", [.blob(instance)])])
        }
        writer = nil
    }
}
