package import VaultCore
package import VaultStore

extension PostgresStore {
    /// Marks a vault as moved away, in its last transaction: every process that opens it or writes to it from then on is
    /// refused, on whatever machine it is.
    ///
    /// - Parameter body: looks once more at what is there, under the lock.
    /// - Throws: ``VaultError/Code/busy`` where the lock is not to be had; ``VaultError/Code/outcomeUnknown``; what `body`
    ///   throws.
    package static func moveAway(
        from place: PostgresPlace, at now: VaultInstant, _ body: (Database) throws -> Void
    ) throws {
        let (session, _) = try PostgresConnecting.open(place, .writing)
        let end = ContinuousClock.now + patience
        let transaction = PostgresTransaction(
            session, isContinued: false,
            waiting: {
                guard ContinuousClock.now < end else { throw PostgresError(state: "55P03") }
            }, opened: { _ in nil })
        do {
            do {
                try transaction.begin()
                try body(transaction.database)
                try transaction.apply([PostgresLedger.moveAway(at: now)])
            } catch {
                transaction.rollBack()
                throw error
            }
            try transaction.commit([])
        } catch { throw PostgresFailure.translate(error) }
    }
}
