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
        from place: PostgresPlace, rows: Int64, logSize: Int64, at begun: VaultInstant,
        _ body: (Database) throws -> Void
    ) throws {
        try transaction(at: place) { transaction in
            try body(transaction.database)
            try transaction.apply([MoveMark.hasLeft.write(rows: rows, logSize: logSize, at: begun)])
        }
    }
}

/// What the ledger of a database says of a move: it stands there as a migration that no version knows, so that every process
/// is refused.
package enum MoveMark: Int, Sendable {
    /// The vault was moved from here.
    case hasLeft = 2_147_483_647
    /// A copy is here, and its move has not ended: only the mover opens it.
    case isCopied = 2_147_483_646

    package struct Found: Sendable {
        /// The vault's number.
        package let vault: [UInt8]
        /// What was copied.
        package let rows: Int64
        package let logSize: Int64
        /// When the move began.
        package let begunAt: VaultInstant
    }

    /// Looks for it in a database, whatever else is there.
    package func find(at place: PostgresPlace) throws -> Found? {
        try PostgresStore.examiner(of: place).read { try read($0) }
    }

    /// A mark that was seen may be of a commit that no standby has; after this it is confirmed.
    package func settle(at place: PostgresPlace) throws {
        _ = try PostgresStore.transaction(at: place) { transaction in
            try transaction.apply([
                RowWrite("UPDATE schema_migrations SET applied_at = applied_at WHERE version = \(rawValue)")
            ])
        }
    }

    func read(_ database: Database) throws -> Found? {
        guard try database.engine.hasTable("vault"), try database.engine.hasTable("schema_migrations") else {
            return nil
        }
        return try database.firstRow(
            "SELECT vault_id, checksum, applied_at FROM vault, schema_migrations AS m WHERE m.version = \(rawValue)"
        ) { row in
            func bytes(_ index: Int) -> [UInt8] { row.withBlob(index) { $0.map(Array.init) ?? [] } }
            var counts = ByteReader(bytes(1))
            return Found(
                vault: bytes(0), rows: counts.number() ?? 0, logSize: counts.number() ?? 0,
                begunAt: VaultInstant(millisecondsSince1970: row.integer(2)))
        }
    }

    package func write(rows: Int64, logSize: Int64, at begun: VaultInstant) -> RowWrite {
        var counts: [UInt8] = []
        for count in [rows, logSize, 0, 0] { counts.append(bigEndian: count) }
        return PostgresLedger.applied(rawValue, counts, at: begun)
    }

    package var removal: RowWrite { RowWrite("DELETE FROM schema_migrations WHERE version = \(rawValue)") }

    var refusal: VaultError {
        switch self {
        case .hasLeft:
            VaultError(
                .unavailable,
                "The vault was moved away from this database; nothing may use it here any more.",
                remedy:
                    "Name its new place. If the move did not end, run it again as it was begun. When you are sure of the new place, remove what is here: DROP SCHEMA \(PostgresSchema.name) CASCADE"
            )
        case .isCopied:
            VaultError(
                .unavailable,
                "The database has a copy of a vault whose move has not ended; it may not be used yet.",
                remedy: "Move the vault again: that finishes the copy, or replaces it.")
        }
    }
}
