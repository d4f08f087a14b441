import Foundation
import SQLiteStore
import VaultCore
import VaultStore

/// The library under everything: its version, how it was built, what the file is set to, and its pages.
extension DatabaseExamination {
    /// SQLite repaired the WAL-reset defect in this version.
    private static let walResetRepaired: Int32 = 3_051_003
    /// STRICT tables, and what Debian 12 has.
    private static let oldestSupported: Int32 = 3_040_000

    func sqliteChecks(_ path: String) throws -> [DoctorCheck] {
        [version(), try options(), try settings(path), try pages()]
    }

    private func version() -> DoctorCheck {
        let id = "sqlite.version"
        let text = SQLiteLibrary.version
        let number = SQLiteLibrary.versionNumber
        guard number >= Self.oldestSupported else {
            return .error(
                id, .unavailable, "SQLite \(text) is older than what TokenVault is tested with (3.40).",
                "Use the SQLite of a current distribution.")
        }
        guard number < Self.walResetRepaired else { return .ok(id, "SQLite \(text).") }
        return .advice(
            id,
            "SQLite \(text) has the WAL-reset defect (repaired in 3.51.3). It cannot occur here: one writer at a time "
                + "writes and checkpoints, under the vault's lock.",
            "Write to the file with TokenVault alone, never with another program.")
    }

    private func options() throws -> DoctorCheck {
        let id = "sqlite.options"
        let found = try database.rows("PRAGMA compile_options") { $0.text(0) }
        let wrong = ["THREADSAFE=0", "OMIT_WAL", "OMIT_FOREIGN_KEY", "OMIT_AUTHORIZATION"].filter(
            found.contains)
        guard wrong.isEmpty else {
            return .error(
                id, .unavailable, "SQLite was built with \(wrong.joined(separator: ", ")).",
                "Use SQLite as packaged by the distribution.")
        }
        return .ok(id, "Threads, WAL and foreign keys are built in.")
    }

    /// What a fresh connection reads back, and the journal mode that is part of the file.
    private func settings(_ path: String) throws -> DoctorCheck {
        let id = "sqlite.settings"
        let mode = try database.firstRow("PRAGMA journal_mode") { $0.value(0) }
        // Where no WAL can be made, SQLite reads the file without one.
        guard mode == .text("wal") || access(VaultFile.directory(of: path), W_OK) != 0 else {
            return .warning(
                id, "The file is not in WAL mode: another program changed that.",
                "Let only TokenVault write to it; the next opening of the vault turns WAL on again.")
        }
        let wanted: [(String, Int64)] = [
            ("foreign_keys", 1), ("trusted_schema", 0), ("cell_size_check", 1), ("mmap_size", 0),
            ("temp_store", 2),
        ]
        for (name, value) in wanted where try count("PRAGMA \(name)") != value {
            return .error(
                id, .unavailable, "SQLite refuses the setting \(name) = \(value).",
                "Use SQLite as packaged by the distribution.")
        }
        return .ok(id, "WAL mode; every setting is as it was set.")
    }

    private func pages() throws -> DoctorCheck {
        let id = "sqlite.pages"
        let size = try count("PRAGMA page_count") * (try count("PRAGMA page_size"))
        guard isThorough || size <= VaultDoctor.quickCheckBytes else {
            return .advice(
                id, "The pages were not checked: the file has \(DoctorText.size(size)).",
                "Check every page when there is time: that reads the whole file.")
        }
        let answer = try database.firstRow("PRAGMA quick_check(1)") { $0.value(0) }
        guard answer == .text("ok") else {
            return .error(
                id, .integrity, "SQLite finds the file damaged.",
                "Stop the service, keep a copy of the file, and restore a backup.")
        }
        return .ok(id, "All \(DoctorText.size(size)) of pages are consistent.")
    }

    func schemaCheck() throws -> DoctorCheck {
        let id = "schema.version"
        let pending = try SchemaLedger().pending(database)
        let version = try count("SELECT max(version) FROM schema_migrations")
        guard pending.isEmpty else {
            return .advice(
                id, "The schema is version \(version); \(pending.count) newer migrations are known.",
                "Make a backup; the next command that opens the vault brings it up to date.")
        }
        return .ok(id, "Version \(version); the tables match the ledger.")
    }
}
