package import VaultCore

/// One row, or what a condition finds, as it is to be written: a statement of ours with its values.
package struct RowWrite: Sendable {
    package let sql: String
    package let values: [SQLValue]
    /// The row that must be there to be changed: the condition begins with `id = ?`.
    package let row: (layout: TableLayout, id: Int64)?
    /// The table whose one row this makes or replaces: an engine may add a newer row instead, and remove the old one.
    package let single: SingleRow?

    package init(_ sql: String, _ values: [SQLValue] = [], changing row: (TableLayout, Int64)? = nil) {
        (self.sql, self.values, self.row, single) = (sql, values, row, nil)
    }

    /// - Parameter values: of all columns of the table, in order.
    package init(making single: SingleRow, _ values: [SQLValue]) {
        (sql, self.values, row, self.single) = (single.insertSQL, values, nil, single)
    }

    package init(replacing single: SingleRow, _ values: [SQLValue]) {
        (sql, self.values, row, self.single) = (single.updateSQL, values, nil, single)
    }
}

/// A table of one row, whose `id` is 1: nearly every commit replaces it.
package final class SingleRow: Sendable {
    package let table: String
    /// Without `id`.
    package let columns: [String]
    fileprivate let insertSQL: String
    fileprivate let updateSQL: String

    private init(_ table: String, _ columns: [String]) {
        (self.table, self.columns) = (table, columns)
        let places = String(repeating: ", ?", count: columns.count)
        insertSQL = "INSERT INTO \(table) (id, \(columns.joined(separator: ", "))) VALUES (1\(places))"
        updateSQL = "UPDATE \(table) SET \(columns.map { "\($0) = ?" }.joined(separator: ", ")) WHERE id = 1"
    }

    package static let vault = SingleRow(TableLayout.vault.name, TableLayout.vault.columns + ["row_tag"])
    package static let logHead = SingleRow("audit_head", ["size", "root", "edge", "last_time", "note"])
    package static let all = [vault, logHead]
}

/// A moment on the clocks that decide in a vault.
package struct StoreTime: Sendable {
    package let now: VaultInstant
    package let reading: ClockReading

    package init(now: VaultInstant, reading: ClockReading) { (self.now, self.reading) = (now, reading) }

    /// This machine's.
    package init(by clock: any VaultClock) { self.init(now: clock.now(), reading: clock.reading()) }
}

/// The clock of a store that has one for all machines. What is measured between two moments is measured by this machine's.
package struct StoreClock: VaultClock {
    private let store: any VaultStore
    private let own: any VaultClock

    package init(_ store: any VaultStore, _ own: any VaultClock) { (self.store, self.own) = (store, own) }

    package func now() -> VaultInstant { store.time(by: own).now }
    /// By how much the store's clock is ahead of this machine's; negative: behind it.
    package var skew: Duration {
        .milliseconds(now().millisecondsSince1970 &- own.now().millisecondsSince1970)
    }
    package var name: String { own.name }
    package func monotonic() -> Duration { own.monotonic() }
}

/// What is asked before anything is decided.
package struct StoreQuestion: Sendable {
    package let sql: String
    package let values: [SQLValue]
    /// The row that is asked for, where it is all columns of one.
    package let row: (layout: TableLayout, id: Int64)?

    package init(_ sql: String, _ values: [SQLValue] = []) {
        (self.sql, self.values, row) = (sql, values, nil)
    }

    package init(row layout: TableLayout, _ id: Int64) {
        (sql, values, row) = (layout.selectByID, [.integer(id)], (layout, id))
    }
}

/// A write transaction that has begun.
///
/// A networked engine needs two turns for a batch: one for the questions, one for all writes with the commit. Every other
/// query, and what is applied before it, is a turn of its own.
package protocol StoreTransaction: AnyObject {
    /// Shows what was applied.
    var database: Database { get }

    /// When the transaction began, by the engine's clock, which is one for all machines; nil where each machine has its own.
    var time: StoreTime? { get }

    /// Whether nothing was in the way since this process committed last: the same server, by the same connection, so that
    /// what is there goes on from what was there then.
    var isContinued: Bool { get }

    /// Asks several questions at once.
    ///
    /// - Parameter answer: called with each row, and the place of its question; in the order of the questions.
    func ask(_ questions: [StoreQuestion], _ answer: (_ question: Int, RowCursor) throws -> Void) throws

    /// Writes rows, in order.
    ///
    /// - Throws: also ``VaultError/Code/integrity`` for a row that is not there. The transaction can no longer be committed
    ///   then, but for a ``savepoint(_:)`` that ends with the error.
    func apply(_ writes: some Collection<RowWrite>) throws

    /// Undoes what was applied in `body` when that throws.
    ///
    /// - Throws: what `body` threw; ``TransactionGone`` when the engine gave up the whole transaction.
    func savepoint(_ body: () throws -> Void) throws

    /// Whether nothing further can be done in the transaction after this error.
    func isGone(after error: any Error) -> Bool
}

extension StoreTransaction {
    package var time: StoreTime? { nil }
    package var isContinued: Bool { false }
}

/// The engine rolled back more than the statement that failed: nothing of the transaction is left.
package struct TransactionGone: Error {
    package let cause: any Error

    package init(cause: any Error) { self.cause = cause }
}
