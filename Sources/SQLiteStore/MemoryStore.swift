import CSQLite
import Foundation
import Synchronization
package import VaultCore
package import VaultStore

/// The same SQL in memory: no file and no lock beside it, nothing that lasts, and readers take turns with the writer. For
/// tests; it counts the turns that a networked engine would need.
package final class MemoryStore: VaultStore {
    package let path = "memory"
    private let memory: SharedMemory
    private let ledger: SchemaLedger
    private let shared: MemoryReader
    private let isClosed = Atomic<Bool>(false)
    private let held = Atomic<Bool>(false)
    private let counted = Mutex<[Int]>([])

    private init(_ memory: SharedMemory, _ ledger: SchemaLedger) throws {
        (self.memory, self.ledger) = (memory, ledger)
        shared = try MemoryReader(memory, ledger)
    }

    package convenience init(ledger: SchemaLedger = SchemaLedger()) throws {
        try self.init(SharedMemory(), ledger)
    }

    /// The rows of `other`, as another process has them: each of the two is closed for itself.
    package convenience init(sharing other: MemoryStore) throws { try self.init(other.memory, other.ledger) }

    /// Whether a reader holds the writer up now.
    package var isHeldUp: Bool { held.load(ordering: .acquiring) }

    /// The turns of each commit until now, the first of all left out.
    package var turns: [Int] { counted.withLock { $0 } }

    /// Makes the tables, and what `body` puts into them.
    package func create(at now: VaultInstant, _ body: (any StoreTransaction) throws -> Void) throws {
        pthread_rwlock_wrlock(memory.gate)
        defer { pthread_rwlock_unlock(memory.gate) }
        try memory.writer.transaction {
            try ledger.create($0, at: now)
            try body($0)
        }
    }

    package var reader: any StoreReader {
        get throws {
            guard !isClosed.load(ordering: .acquiring) else {
                throw VaultError(.unavailable, "The vault is closed.")
            }
            return shared
        }
    }

    package func longReader() throws -> any StoreReader {
        _ = try reader
        return try MemoryReader(memory, ledger)
    }

    package func commit(
        waiting: () throws -> Void, _ body: (any StoreTransaction) throws -> StoreCommit?,
        durable: (Result<Bool, VaultError>) -> Void
    ) -> CommitOutcome {
        do {
            while pthread_rwlock_trywrlock(memory.gate) != 0 {
                held.store(true, ordering: .releasing)
                try waiting()
                usleep(100)
            }
            held.store(false, ordering: .releasing)
            defer { pthread_rwlock_unlock(memory.gate) }
            let commit = try memory.writer.withEngine { engine, database in
                let transaction = CountingTransaction(SQLiteTransaction(engine, database))
                let commit = try engine.commit(
                    { () throws -> StoreCommit? in try body(transaction) }, transaction)
                if commit != nil { counted.withLock { $0.append(transaction.turns) } }
                return commit
            }
            guard let commit else { return .unchanged }
            durable(.success(commit.emptiesLog))
            return .committed
        } catch let error as NotApplied {
            return .notApplied(translate(error.cause))
        } catch let error as UncertainCommit {
            return .failed(translate(error.cause))
        } catch { return .failed(translate(error)) }
    }

    package var acceptsNewWork: Bool { true }
    package func refusalOfNewWork() -> VaultError? { nil }
    package func keepUp() {}
    package func refuseNewer(_ database: Database) throws { try ledger.refuseNewer(database) }
    package func translate(_ error: any Error) -> VaultError { StorageFailure.translate(error) }
    package func beginServing() throws -> Bool {
        !memory.isServing.exchange(true, ordering: .acquiringAndReleasing)
    }

    package func isServed() throws -> Bool { memory.isServing.load(ordering: .acquiring) }

    /// What is in it stays for others who have it open, until the last lets go of it.
    package func close() throws { isClosed.store(true, ordering: .releasing) }
}

/// What the stores of one vault have in common.
private final class SharedMemory: @unchecked Sendable {
    // @unchecked: the lock is the system's.
    let name = "tokenvault-" + UUID().uuidString
    let gate = UnsafeMutablePointer<pthread_rwlock_t>.allocate(capacity: 1)
    let isServing = Atomic<Bool>(false)
    let writer: SQLiteConnection

    init() throws {
        writer = try SQLiteConnection(inMemory: name)
        pthread_rwlock_init(gate, nil)
    }

    deinit {
        try? writer.close()
        pthread_rwlock_destroy(gate)
        gate.deallocate()
    }
}

/// A connection that reads while nothing is written.
private final class MemoryReader: StoreReader {
    private let memory: SharedMemory
    private let connection: SQLiteConnection
    private let ledger: SchemaLedger

    init(_ memory: SharedMemory, _ ledger: SchemaLedger) throws {
        (self.memory, self.ledger) = (memory, ledger)
        connection = try SQLiteConnection(inMemory: memory.name)
        try connection.withEngine { engine, _ in try engine.runScript("PRAGMA query_only = ON") }
    }

    /// The memory goes with the last connection to it.
    deinit { try? connection.close() }

    func withConnection(_ body: (Database) throws -> Void) throws {
        pthread_rwlock_rdlock(memory.gate)
        defer { pthread_rwlock_unlock(memory.gate) }
        do { try connection.use(body) } catch let signal as any StoreSignal { throw signal } catch {
            throw (try? connection.use { ledger.explain(error, $0) }) ?? StorageFailure.translate(error)
        }
    }

    /// Nothing is written meanwhile.
    func withSnapshot(_ body: (Database) throws -> Void) throws { try withConnection(body) }

    func close() throws { try connection.close() }
}

/// Counts what a networked engine would wait for.
private final class CountingTransaction: StoreTransaction, StatementEngine {
    private let inner: SQLiteTransaction
    private(set) var turns = 0
    var database: Database { Database(self) }

    init(_ inner: SQLiteTransaction) { self.inner = inner }

    func ask(_ questions: [StoreQuestion], _ answer: (Int, RowCursor) throws -> Void) throws {
        turns += 1
        try inner.ask(questions, answer)
    }

    func apply(_ writes: some Collection<RowWrite>) throws {
        turns += 1
        try inner.apply(writes)
    }

    func savepoint(_ body: () throws -> Void) throws {
        turns += 1
        try inner.savepoint(body)
    }

    func isGone(after error: any Error) -> Bool { inner.isGone(after: error) }

    func forEachRow(_ sql: String, _ values: [SQLValue], _ body: (RowCursor) throws -> Bool) throws {
        turns += 1
        try inner.database.forEachRow(sql, values, body)
    }

    func hasTable(_ name: String) throws -> Bool {
        turns += 1
        return try inner.database.hasTable(name)
    }

    func hasLost(_ table: String, _ id: Int64) throws -> Bool {
        turns += 1
        return try inner.database.engine.hasLost(table, id)
    }

    func indexFaults(of table: String) throws -> [String] {
        turns += 1
        return try inner.database.engine.indexFaults(of: table)
    }
}
