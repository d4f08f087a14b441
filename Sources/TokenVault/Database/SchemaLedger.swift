import Foundation
import GRDB
import VaultCore
import VaultCrypto
import VaultMigrations

/// Which migrations a file has seen, and whether its schema is still the one they made.
enum SchemaLedger {
    /// Creates the whole schema in a new database.
    static func create(_ database: Database, at now: VaultInstant) throws {
        for migration in Migration.all { try apply(migration, database, now) }
        try database.execute(sql: "PRAGMA application_id = \(VaultFile.applicationID)")
    }

    /// Checks the ledger and the schema of an existing file and applies the migrations it lacks.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer`` or ``VaultError/Code/schemaChanged``; the file is left as it was.
    static func bringUpToDate(_ database: Database, at now: VaultInstant) throws {
        for migration in try pending(database) {
            try database.inTransaction(.immediate) {
                try apply(migration, database, now)
                return .commit
            }
        }
    }

    /// Checks the ledger and the schema, and says which migrations the file lacks; writes nothing.
    ///
    /// - Throws: ``VaultError/Code/schemaNewer`` or ``VaultError/Code/schemaChanged``.
    static func pending(_ database: Database) throws -> ArraySlice<Migration> {
        let applied = try appliedMigrations(database)
        let newest = Migration.all.last?.version ?? 0
        if let ahead = applied.last(where: { $0.version > newest }) {
            throw VaultError(
                .schemaNewer,
                "The vault has schema \(ahead.version); this tokenvault knows schemas up to \(newest).",
                remedy: "Use the newer tokenvault. Nothing was changed.")
        }
        for (known, found) in zip(Migration.all, applied)
        where known.version != found.version || checksum(known) != found.checksum {
            throw changed("Migration \(found.version) of the vault is not the one this tokenvault knows.")
        }
        let present = Array(Migration.all.prefix(applied.count))
        guard try fingerprint(database) == expectedFingerprint(of: present) else {
            throw changed("The tables of the vault are not those its ledger names.")
        }
        return Migration.all.dropFirst(applied.count)
    }

    private static func changed(_ message: String) -> VaultError {
        VaultError(
            .schemaChanged, message,
            remedy: "Somebody altered the file outside tokenvault; restore a backup. Nothing was changed.")
    }

    private static func checksum(_ migration: Migration) -> [UInt8] {
        SHA256.hash(Array(migration.sql.utf8)).bytes
    }

    private static func apply(_ migration: Migration, _ database: Database, _ now: VaultInstant) throws {
        try database.execute(sql: migration.sql)
        try database.run(
            "INSERT INTO schema_migrations (version, checksum, applied_at) VALUES (?, ?, ?)",
            [.integer(Int64(migration.version)), .blob(checksum(migration)), SQLValue(now)])
        try database.execute(sql: "PRAGMA user_version = \(migration.version)")
    }

    private static func appliedMigrations(_ database: Database) throws -> [(version: Int, checksum: [UInt8])]
    {
        guard try database.tableExists("schema_migrations") else {
            throw VaultError(
                .notAVault, "The file has no ledger of migrations.",
                remedy: "Check the path given with --vault.")
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
    private static func fingerprint(_ database: Database) throws -> Digest {
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

    private static func expectedFingerprint(of migrations: [Migration]) throws -> Digest {
        let memory = try DatabaseQueue()
        return try memory.inDatabase { database in
            for migration in migrations { try database.execute(sql: migration.sql) }
            return try fingerprint(database)
        }
    }
}
