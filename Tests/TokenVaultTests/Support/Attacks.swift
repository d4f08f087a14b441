import Foundation
import TestStores
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore

extension Trait where Self == ConditionTrait {
    /// What is proved is about rows that were changed by SQL, in a file or on a server.
    static var withSQL: Self { .disabled(if: TestStore.isMemory, "about rows that SQL reaches") }
}

/// What is done to a vault by who can write to its store and has no key: one text of SQL for SQLite and PostgreSQL.
extension TestVault {
    /// Runs statements; rows that were kept are in the schema of that name, those of the vault in `main`.
    ///
    /// - Returns: rows, columns between `|`.
    @discardableResult
    func sql(_ text: String) throws -> String {
        if let database { return try database.run(text) }
        let kept = try FileManager.default.contentsOfDirectory(atPath: directory)
            .compactMap { $0.wholeMatch(of: /kept-([a-z]+)/).map { String($0.1) } }
        let attached = kept.map { "ATTACH '\(directory)/kept-\($0)' AS \($0); " }.joined()
        return try sqlite(path, attached + text)
    }

    /// Keeps all rows as they are now.
    func keep(_ name: String = "old") throws {
        if let database { return try database.keep(name) }
        _ = try sqlite(path, "VACUUM INTO '\(directory)/kept-\(name)'")
    }

    /// Rows of a table become as they were when they were kept; one of them that is gone comes back.
    func putBack(_ table: String, where condition: String = "true", of name: String = "old") throws {
        let stored = database == nil ? table : TestDatabase.stored(table)
        let isOneRow = stored != table
        try sql(
            """
            DELETE FROM main.\(stored) WHERE \(isOneRow ? "true" : "id IN (SELECT id FROM \(name).\(stored) WHERE \(condition))");
            INSERT INTO main.\(stored) SELECT * FROM \(name).\(stored) WHERE \(condition)
            """)
    }

    /// All tables, or those that are named, become what they were when they were kept.
    func setBack(_ tables: [String]? = nil, to name: String = "old") throws {
        let all =
            if database == nil {
                try sqlite(
                    path, "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
            } else {
                try sql("SELECT tablename FROM pg_tables WHERE schemaname = 'tokenvault'")
            }
        let named = tables?.map { database == nil ? $0 : TestDatabase.stored($0) }
        let swap = (named ?? all.split(separator: "\n").map(String.init)).map {
            "DELETE FROM main.\($0); INSERT INTO main.\($0) SELECT * FROM \(name).\($0);"
        }
        try sql("BEGIN; \(swap.joined()) COMMIT")
    }

    /// What anybody with the public key finds in the file; on a server, what the vault itself finds.
    func report(_ vkey: String, since: String? = nil) async throws -> AuditReport {
        guard database != nil else {
            return try await VaultLog.verify(at: path, verifierKey: vkey, since: since)
        }
        do { return try await vault.log.verify(since: since) } catch let error as VaultError
            where error.code == .unavailable
        {
            // It was closed.
            let other = try await reopen()
            let report = try await other.log.verify(since: since)
            await other.close()
            return report
        }
    }

    /// Whether these places are named, and in a file no other. The vault itself also names what follows from that.
    func finds(_ places: [String], _ vkey: String) async throws -> Bool {
        let found = try await report(vkey).places
        return database == nil ? found == places : Set(places).isSubset(of: found)
    }
}

extension TestDatabase {
    /// The table that has the rows of one that is shown as a single row.
    static func stored(_ table: String) -> String {
        ["vault", "audit_head"].contains(table) ? table + "_versions" : table
    }

    func run(_ text: String) throws -> String {
        try cluster.run(
            """
            SET client_min_messages = error; CREATE SCHEMA IF NOT EXISTS shell; SET search_path = tokenvault, shell;
            CREATE OR REPLACE FUNCTION shell.zeroblob(count bigint) RETURNS bytea LANGUAGE sql
            AS 'SELECT decode(repeat(''00'', count::int), ''hex'')';
            CREATE OR REPLACE FUNCTION shell.hex(value bytea) RETURNS text LANGUAGE sql
            AS 'SELECT upper(encode(value, ''hex''))';
            SET session_replication_role = replica; \(Self.translated(text))
            """, in: service)
    }

    /// SQL of SQLite, as PostgreSQL says it.
    private static func translated(_ text: String) -> String {
        text.replacing("main.", with: "tokenvault.")
            .replacing(/(UPDATE|INTO|DELETE FROM) (tokenvault\.)?(vault|audit_head)\b/) {
                "\($0.1) \($0.2 ?? "")\($0.3)_versions"
            }
            .replacing(/X'([0-9A-F]*)'/) { "'\\x\($0.1)'::bytea" }
            .replacing("CAST(bytes AS TEXT)", with: "convert_from(bytes, 'UTF8')")
            .replacing(/CAST\((.*) AS BLOB\)/) { "convert_to(\($0.1), 'UTF8')" }
    }

    func keep(_ name: String) throws {
        _ = try run(
            """
            CREATE SCHEMA \(name);
            DO $$ DECLARE t text; BEGIN
              FOR t IN SELECT tablename FROM pg_tables WHERE schemaname = 'tokenvault' LOOP
                EXECUTE format('CREATE TABLE \(name).%I AS TABLE tokenvault.%I', t, t);
              END LOOP;
            END $$
            """)
    }
}
