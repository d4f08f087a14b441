/// One row, or what a condition finds, as it is to be written: a statement of ours with its values.
package struct RowWrite: Sendable {
    package let sql: String
    package let values: [SQLValue]
    /// The row that must be there to be changed.
    package let row: (layout: TableLayout, id: Int64)?

    package init(_ sql: String, _ values: [SQLValue] = [], changing row: (TableLayout, Int64)? = nil) {
        (self.sql, self.values, self.row) = (sql, values, row)
    }
}

/// What is asked before anything is decided.
package struct StoreQuestion: Sendable {
    package let sql: String
    package let values: [SQLValue]

    package init(_ sql: String, _ values: [SQLValue] = []) { (self.sql, self.values) = (sql, values) }
}

/// A write transaction that has begun.
///
/// A networked engine needs two turns for a batch: one for the questions, one for all writes with the commit. Every other
/// query, and what is applied before it, is a turn of its own.
package protocol StoreTransaction: AnyObject {
    /// Shows what was applied.
    var database: Database { get }

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

/// The engine rolled back more than the statement that failed: nothing of the transaction is left.
package struct TransactionGone: Error {
    package let cause: any Error

    package init(cause: any Error) { self.cause = cause }
}
