package import VaultCore
import VaultStore

/// What is done in a database before there is a store of it.
extension PostgresStore {
    /// Runs `body` in a transaction on a connection of its own, which is returned.
    ///
    /// - Throws: also ``VaultError/Code/busy`` where others have the lock for longer than a commit may take.
    @discardableResult
    static func transaction(
        at place: PostgresPlace, isFirst: Bool = false,
        accepts: (ServerFacts) throws -> Void = { _ in }, _ body: (PostgresTransaction) throws -> Void
    ) throws -> (PostgresSession, ServerFacts) {
        let (session, facts) = try PostgresConnecting.open(place, .writing)
        try accepts(facts)
        let end = ContinuousClock.now + patience
        let transaction = PostgresTransaction(
            session, isContinued: false, isFirst: isFirst,
            waiting: {
                // A commit that waits for a standby holds the lock for as long as that takes.
                guard ContinuousClock.now < end else { throw PostgresError.heldLock }
            }, opened: { _ in nil })
        do {
            do {
                try transaction.begin()
                try body(transaction)
            } catch {
                transaction.rollBack()
                throw error
            }
            try transaction.commit([])
        } catch { throw PostgresFailure.translate(error) }
        return (session, facts)
    }

    /// Applies to an existing vault the migrations that it lacks.
    ///
    /// - Returns: whether no standby is wanted.
    static func bringUpToDate(
        _ place: PostgresPlace, _ ledger: PostgresLedger, _ transaction: PostgresTransaction
    ) throws -> Bool {
        let catalog = PostgresCatalog(transaction)
        guard try catalog.hasTable("store_state") else {
            throw VaultError(
                .notFound, "There is no vault in the database of service \(place.service).",
                remedy: "Check the service, or create a vault.")
        }
        // The tables may be another role's than the one that works with them.
        if case .several = try catalog.owner() { throw shared(place) }
        let now = transaction.opening.map { VaultInstant(millisecondsSince1970: $0.time) }
        try ledger.bringUpToDate(transaction, at: now ?? VaultInstant(millisecondsSince1970: 0))
        return try transaction.database.count("SELECT is_single FROM store_state") == 1
    }

    static func makeTables(
        _ place: PostgresPlace, _ ledger: PostgresLedger, _ transaction: PostgresTransaction,
        isSingle: Bool, at now: VaultInstant, replacing vault: VaultID?
    ) throws {
        let catalog = PostgresCatalog(transaction)
        if let vault, try MoveMark.isCopied.read(transaction.database)?.vault == vault.bytes {
            try transaction.run([PostgresSchema.removal])
        }
        guard try catalog.isEmpty() else {
            throw VaultError(
                .alreadyExists, "The database of service \(place.service) has tables in it.",
                remedy: PostgresSchema.notEmpty)
        }
        switch try catalog.owner() {
        case .none: try transaction.run(["CREATE SCHEMA \(PostgresSchema.name)"])
        case .one(isOurs: true): break
        case .one, .several: throw shared(place)
        }
        try ledger.create(transaction, isSingle: isSingle, at: now)
    }

    package static func hasVault(at place: PostgresPlace) throws -> Bool {
        try examiner(of: place).read { try $0.engine.hasTable("vault") }
    }

    /// Removes a vault that was just made, and closed, because something that belongs to it could not be made.
    ///
    /// - Returns: false, and nothing was removed, where another vault is there, or a process serves it.
    package static func discard(at place: PostgresPlace, _ vault: VaultID) throws -> Bool {
        var isOurs = false
        try transaction(at: place) { transaction in
            isOurs = try transaction.database.finds(
                "SELECT 1 FROM vault WHERE vault_id = ? AND NOT EXISTS (\(served))", [.blob(vault.bytes)])
            if isOurs { try transaction.run([PostgresSchema.removal]) }
        }
        return isOurs
    }

    private static func shared(_ place: PostgresPlace) -> VaultError {
        VaultError(
            .permissionDenied,
            "The schema \(PostgresSchema.name) of service \(place.service) belongs to another role, or others may create objects in it.",
            remedy:
                "Make one role its owner, and revoke CREATE on it from all others; or drop it where it is empty."
        )
    }
}
