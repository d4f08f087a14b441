import CSQLite
package import VaultCore
package import VaultStore

/// A copy of a whole database as one reader sees it, which is read once and thrown away.
package struct DatabaseCopy: Sendable {
    private let connection: SQLiteConnection

    /// The copy needs neither a journal nor a sync.
    package init(at path: String) throws {
        connection = try SQLiteConnection(path: path)
        for setting in ["journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE"] {
            _ = try connection.use { try $0.firstRow("PRAGMA \(setting)") { $0.value(0) } }
        }
        // Its first page is asked for while the file still has its name.
        _ = try connection.use { try $0.firstRow("PRAGMA page_count") { $0.value(0) } }
    }

    /// Copies what `source` shows, while writers and other readers go on.
    ///
    /// - Parameter progress: from 0 to 1.
    package func fill(
        from source: Database, _ ledger: SchemaLedger, at now: VaultInstant, progress: (Double) -> Void
    ) throws {
        guard let source = source.engine as? SQLiteEngine else {
            // Another engine's rows, in a file of the same schema.
            return try connection.transaction { transaction in
                try ledger.create(transaction, at: now)
                _ = try RowCopy(ledger).run(from: source, to: transaction, progress: progress)
            }
        }
        try connection.withEngine { copy, _ in
            guard let backup = sqlite3_backup_init(copy.handle, "main", source.handle, "main") else {
                throw SQLiteError(code: sqlite3_extended_errcode(copy.handle))
            }
            var code: Int32
            repeat {
                code = sqlite3_backup_step(backup, 2048)
                let total = max(1, sqlite3_backup_pagecount(backup))
                progress(1 - Double(sqlite3_backup_remaining(backup)) / Double(total))
            } while code == SQLITE_OK
            let end = sqlite3_backup_finish(backup)
            guard code == SQLITE_DONE else { throw SQLiteError(code: code) }
            try copy.check(end)
        }
    }

    package func close() throws { try connection.close() }
}

/// The library that this process runs with.
package enum SQLiteLibrary {
    package static var version: String { String(cString: sqlite3_libversion()) }
    /// As in 3_040_001.
    package static var versionNumber: Int32 { sqlite3_libversion_number() }
}
