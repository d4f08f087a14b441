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

/// A write transaction that has begun.
package protocol StoreTransaction: AnyObject {
    /// Shows what was applied.
    var database: Database { get }

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
