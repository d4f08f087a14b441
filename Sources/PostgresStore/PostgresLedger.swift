import VaultCore
import VaultCrypto
import VaultMigrations
import VaultStore

/// Which migrations a database has seen, and whether its tables are still those they made.
struct PostgresLedger: Sendable {
    private let migrations: [Migration]
    /// Whether a copy may be opened whose move has not ended.
    private let admitsCopy: Bool

    init(_ migrations: [Migration] = Migration.all, admitsCopy: Bool = false) {
        (self.migrations, self.admitsCopy) = (migrations, admitsCopy)
    }

    var newest: Int { migrations.last?.version ?? 0 }

    // MARK: Making tables

    /// Makes the schema and its tables.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists`` where tables are.
    func create(_ transaction: PostgresTransaction, isSingle: Bool, at now: VaultInstant) throws {
        for migration in migrations { try apply(migration, transaction, now) }
        try transaction.run(PostgresSchema.own)
        try transaction.apply([
            RowWrite(
                "INSERT INTO store_state (id, is_single, fingerprint, settled) VALUES (1, ?, ?, 0)",
                [.integer(isSingle ? 1 : 0), .blob([])])
        ])
        try noteTables(transaction)
    }

    /// Applies the migrations that the database lacks. The caller holds the lock.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer`` or ``VaultError/Code/schemaChanged``; nothing is changed.
    func bringUpToDate(_ transaction: PostgresTransaction, at now: VaultInstant) throws {
        let missing = try pending(transaction.database)
        guard !missing.isEmpty else { return }
        for migration in missing { try apply(migration, transaction, now) }
        try noteTables(transaction)
    }

    private func apply(_ migration: Migration, _ transaction: PostgresTransaction, _ now: VaultInstant) throws
    {
        try transaction.run(PostgresSchema.statements(of: migration))
        try transaction.apply([Self.applied(migration.version, checksum(migration), at: now)])
    }

    private func noteTables(_ transaction: PostgresTransaction) throws {
        let fingerprint = try fingerprint(transaction)
        try transaction.apply([
            RowWrite("UPDATE store_state SET fingerprint = ? WHERE id = 1", [.blob(fingerprint)])
        ])
    }

    // MARK: Looking

    private func pending(_ database: Database) throws -> ArraySlice<Migration> {
        var applied: [(version: Int, checksum: [UInt8])] = []
        try database.forEachRow("SELECT version, checksum FROM schema_migrations ORDER BY version") { row in
            guard case .blob(let checksum) = row.value(1) else { throw changed("The ledger is damaged.") }
            applied.append((Int(row.integer(0)), checksum))
            return true
        }
        try refuse(newerThanKnown: applied.map(\.version).max() ?? 0)
        applied.removeAll { $0.version == MoveMark.isCopied.rawValue }
        for (known, found) in zip(migrations, applied)
        where known.version != found.version || checksum(known) != found.checksum {
            throw changed("Migration \(found.version) of the vault differs from this version's.")
        }
        let stored = try database.firstRow("SELECT fingerprint FROM store_state WHERE id = 1") { $0.value(0) }
        guard try stored == .blob(fingerprint(database.engine)) else {
            throw changed("The tables of the vault are not those its ledger names.")
        }
        return migrations.dropFirst(applied.count)
    }

    static func applied(_ version: Int, _ checksum: [UInt8], at now: VaultInstant) -> RowWrite {
        RowWrite(
            "INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?, ?, ?)",
            [.integer(Int64(version)), .blob(checksum), SQLValue(now)])
    }

    /// Refuses a database that a newer program has brought up to date since it was opened.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer``.
    func refuseNewer(_ database: Database) throws {
        try refuse(newerThanKnown: Int(try database.count("SELECT max(version) FROM schema_migrations")))
    }

    func refuse(newerThanKnown version: Int) throws {
        guard version > newest else { return }
        if let mark = MoveMark(rawValue: version) {
            if mark == .isCopied, admitsCopy { return }
            throw mark.refusal
        }
        throw VaultError(
            .schemaNewer, "The vault has schema \(version); this version knows schemas up to \(newest).",
            remedy: "Use the newer TokenVault, and restart services with it. Nothing was changed.")
    }

    /// The error for a failed read: a row that does not fit is damaged, or written by a newer program.
    func explain(_ error: VaultError, _ database: Database) -> VaultError {
        do { try refuseNewer(database) } catch let newer as VaultError { return newer } catch {}
        return error
    }

    private func changed(_ message: String) -> VaultError {
        VaultError(
            .schemaChanged, message,
            remedy: "The database was altered from outside; restore a backup. Nothing was changed.")
    }

    private func checksum(_ migration: Migration) -> [UInt8] { SHA256.hash(Array(migration.sql.utf8)).bytes }

    private func fingerprint(_ engine: any StatementEngine) throws -> [UInt8] {
        SHA256.hash(Array(try PostgresCatalog(engine).description().utf8)).bytes
    }
}
