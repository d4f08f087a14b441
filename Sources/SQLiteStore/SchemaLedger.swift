import Foundation
package import VaultCore
import VaultCrypto
package import VaultMigrations
package import VaultStore

/// Which migrations a file has seen, and whether its schema is still the one they made.
package struct SchemaLedger: Sendable {
    /// Those that the program knows, in order.
    private let migrations: [Migration]

    package init(_ migrations: [Migration] = Migration.all) { self.migrations = migrations }

    /// Creates the whole schema in a new database.
    package func create(_ transaction: SQLiteTransaction, at now: VaultInstant) throws {
        for migration in migrations { try apply(migration, transaction, now) }
        try transaction.runScript("PRAGMA application_id = \(VaultFile.applicationID)")
    }

    /// Checks the ledger and the schema of an existing file and applies the migrations it lacks.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer`` or ``VaultError/Code/schemaChanged``; the file is left as it was.
    package func bringUpToDate(_ connection: SQLiteConnection, at now: VaultInstant) throws {
        for migration in try connection.use(pending) {
            try connection.transaction { try apply(migration, $0, now) }
        }
    }

    /// Checks the ledger and the schema, and says which migrations the file lacks; writes nothing.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer`` or ``VaultError/Code/schemaChanged``.
    package func pending(_ database: Database) throws -> ArraySlice<Migration> {
        let applied = try appliedMigrations(database)
        try refuse(newerThanKnown: applied.map(\.version).max() ?? 0)
        for (known, found) in zip(migrations, applied)
        where known.version != found.version || checksum(known) != found.checksum {
            throw changed("Migration \(found.version) of the vault differs from this version's.")
        }
        let present = Array(migrations.prefix(applied.count))
        guard try fingerprint(database) == expectedFingerprint(of: present) else {
            throw changed("The tables of the vault are not those its ledger names.")
        }
        return migrations.dropFirst(applied.count)
    }

    /// Refuses a file that a newer program has brought up to date since it was opened: that program's rows may have
    /// columns that this one would leave out of their tags.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer``.
    package func refuseNewer(_ database: Database) throws {
        let sql = "SELECT max(version) FROM schema_migrations"
        try refuse(newerThanKnown: try database.firstRow(sql) { Int($0.integer(0)) } ?? 0)
    }

    /// The error for a failed read: a row that does not fit is damaged, or written by a newer program.
    package func explain(_ error: any Error, _ database: Database) -> VaultError {
        let error = StorageFailure.translate(error)
        guard error.code == .integrity else { return error }
        do { try refuseNewer(database) } catch let newer as VaultError { return newer } catch {}
        return error
    }

    private func refuse(newerThanKnown version: Int) throws {
        let newest = migrations.last?.version ?? 0
        guard version > newest else { return }
        throw VaultError(
            .schemaNewer, "The vault has schema \(version); this version knows schemas up to \(newest).",
            remedy: "Use the newer TokenVault, and restart services with it. Nothing was changed.")
    }

    private func changed(_ message: String) -> VaultError {
        VaultError(
            .schemaChanged, message,
            remedy: "The file was altered from outside; restore a backup. Nothing was changed.")
    }

    private func checksum(_ migration: Migration) -> [UInt8] {
        SHA256.hash(Array(migration.sql.utf8)).bytes
    }

    private func apply(_ migration: Migration, _ transaction: SQLiteTransaction, _ now: VaultInstant) throws {
        try transaction.runScript(migration.sql)
        try transaction.apply([
            RowWrite(
                "INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?, ?, ?)",
                [.integer(Int64(migration.version)), .blob(checksum(migration)), SQLValue(now)])
        ])
        try transaction.runScript("PRAGMA user_version = \(migration.version)")
    }

    private func appliedMigrations(_ database: Database) throws -> [(version: Int, checksum: [UInt8])] {
        guard try database.hasTable("schema_migrations") else {
            throw VaultError(
                .notAVault, "The file has no ledger of migrations.",
                remedy: "Check the path of the vault.")
        }
        var applied: [(version: Int, checksum: [UInt8])] = []
        try database.forEachRow("SELECT version, checksum FROM schema_migrations ORDER BY version") { row in
            guard case .blob(let checksum) = row.value(1) else { throw changed("The ledger is damaged.") }
            applied.append((Int(row.integer(0)), checksum))
            return true
        }
        return applied
    }

    /// SHA-256 over the text of every object of the schema.
    private func fingerprint(_ database: Database) throws -> Digest {
        var text = ""
        try database.forEachRow(
            "SELECT type, name, tbl_name, coalesce(sql, '') FROM sqlite_schema ORDER BY type, name"
        ) { row in
            for value in row.values(from: 0, to: 4) {
                if case .text(let part) = value { text += "\(part.utf8.count):\(part)" }
            }
            return true
        }
        return SHA256.hash(Array(text.utf8))
    }

    private func expectedFingerprint(of migrations: [Migration]) throws -> Digest {
        let memory = try SQLiteConnection(path: nil)
        defer { try? memory.close() }
        return try memory.transaction { transaction in
            for migration in migrations { try transaction.runScript(migration.sql) }
            return try fingerprint(transaction.database)
        }
    }
}
