import PostgresStore
import SQLiteStore
import TestSupport
import Testing
import VaultCore
import VaultMigrations
import VaultStore

@Suite(.bounded) struct `Tables on PostgreSQL are those of SQLite` {
    /// `table column not-null` of every column, in order.
    private func columnsOfSQLite() throws -> [String] {
        let memory = try MemoryStore()
        try memory.create(at: Scene.epoch) { _ in }
        return try memory.reader.read {
            try $0.rows(
                """
                SELECT t.name, c.name, c.type, c."notnull" OR c.pk FROM pragma_table_list AS t, pragma_table_info(t.name) AS c
                WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'
                ORDER BY t.name, c.cid
                """
            ) { "\($0.text(0) ?? "") \($0.text(1) ?? "") \($0.text(2) ?? "") \($0.integer(3))" }
        }
    }

    @Test func `every table has the same columns in the same order, of the matching types`() throws {
        let scene = try Scene()
        let found = try scene.run(
            """
            SELECT replace(c.relname, '_versions', '') COLLATE "C", CASE a.attname WHEN 'version' THEN
            CASE WHEN c.relname LIKE '%\\_versions' THEN 'id' ELSE 'version' END ELSE a.attname END,
            CASE format_type(a.atttypid, NULL) WHEN 'bigint' THEN 'INTEGER' WHEN 'bytea' THEN 'BLOB' WHEN 'text' THEN 'TEXT' END,
            CAST(a.attnotnull AS int)
            FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
            WHERE c.relnamespace = 'tokenvault'::regnamespace AND c.relkind = 'r' AND a.attnum > 0
            AND c.relname NOT IN ('store_state', 'instances') ORDER BY 1, a.attnum
            """
        ).split(separator: "\n").map { $0.split(separator: "|").joined(separator: " ") }
        #expect(try found == columnsOfSQLite())
        #expect(found.count > 150)
    }

    @Test func `every index and every unique column is there`() throws {
        let scene = try Scene()
        let memory = try MemoryStore()
        try memory.create(at: Scene.epoch) { _ in }
        let expected = try memory.reader.read {
            try $0.rows(
                "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL ORDER BY name"
            ) {
                $0.text(0)
            }
        }
        let named = "'" + expected.joined(separator: "', '") + "'"
        #expect(
            try scene.run(
                "SELECT count(*) FROM pg_indexes WHERE schemaname = 'tokenvault' AND indexname IN (\(named))")
                == "\(expected.count)")
        #expect(throws: PostgresCluster.Failure.self) {
            try scene.run(
                "INSERT INTO webhooks VALUES (1, 'u', '', 0, 0, ''); INSERT INTO webhooks VALUES (2, 'u', '', 0, 0, '')"
            )
        }
        #expect(throws: PostgresCluster.Failure.self) {
            try scene.run("INSERT INTO used_assertions VALUES ('abc', 0)")
        }
    }

    @Test func `a head that is replaced is a newer version, and one lives`() throws {
        let scene = try Scene()
        for _ in 0..<5 { #expect(scene.grow().isCommitted) }
        #expect(try scene.size() == 5)
        #expect(try scene.run("SELECT version, size FROM audit_head_versions") == "6|5")
    }

    @Test func `rows of grants and connections have room to change`() throws {
        let scene = try Scene()
        #expect(
            try scene.run("SELECT relname FROM pg_class WHERE 'fillfactor=85' = ANY (reloptions) ORDER BY 1")
                == "connections\ngrants")
    }
}

@Suite(.bounded) struct `A database is opened only when it is the vault's` {
    @Test func `a name that could have a password in it is refused`() throws {
        for name in [
            "postgres://u:p@h/d", "host=a password=b", "", "a b", "ä", String(repeating: "a", count: 65),
        ] {
            #expect(throws: VaultError(.invalidInput, "")) { try PostgresPlace(service: name) }
        }
        #expect(try PostgresPlace(service: "token-vault_1.x").name == "postgres:token-vault_1.x")
    }

    @Test func `an unknown service, a service with a password, and a server that is not there`() throws {
        let cluster = try PostgresCluster.shared.get()
        func open(_ service: String) throws {
            _ = try PostgresStore(at: PostgresPlace(service: service), logger: Scene.logger)
        }
        #expect(throws: VaultError(.notFound, "")) { try open("no-such-service") }
        try cluster.describe(
            "talkative", "host=127.0.0.1\nport=\(cluster.port)\nuser=tokenvault\npassword=secret")
        let refusal = #expect(throws: VaultError(.invalidInput, "")) { try open("talkative") }
        #expect(refusal?.description.contains("secret") == false)
        try cluster.describe("nowhere", "host=127.0.0.1,127.0.0.1\nport=1,2\nuser=tokenvault")
        let unavailable = #expect(throws: VaultError(.unavailable, "")) { try open("nowhere") }
        for port in 1...2 {
            #expect(unavailable?.description.contains("port \(port) failed: Connection refused") == true)
        }
        // Not on this machine, and no certificate to check it by.
        try cluster.describe(
            "far", "host=192.0.2.1\nhostaddr=192.0.2.1\nport=1\nuser=tokenvault\nsslmode=disable")
        #expect(throws: VaultError(.unavailable, "")) { try open("far") }
        // Where an address is left out its host counts: the second server is another machine's.
        let scene = try Scene()
        let port = scene.cluster.port
        func describe(_ service: String, _ hosts: String) throws {
            try cluster.describe(
                service, "\(hosts)\nport=\(port),\(port)\nuser=tokenvault\ndbname=\(scene.service)")
        }
        try describe("mixed", "hostaddr=127.0.0.1,\nhost=localhost,192.0.2.1")
        #expect(throws: VaultError(.unavailable, "")) { try open("mixed") }
        try describe("near", "hostaddr=127.0.0.1,\nhost=db.invalid,127.0.0.1")
        try open("near")
    }

    @Test func `an empty database is no vault, and one with tables gets no other`() throws {
        let cluster = try PostgresCluster.shared.get()
        let service = try cluster.makeDatabase()
        defer { cluster.giveBack(service) }
        let place = try PostgresPlace(service: service)
        #expect(throws: VaultError(.notFound, "")) { try PostgresStore(at: place, logger: Scene.logger) }
        let scene = try Scene()
        let taken = try PostgresPlace(service: scene.service)
        #expect(throws: VaultError(.alreadyExists, "")) {
            try PostgresStore.create(at: taken, isSingle: true, logger: Scene.logger, at: Scene.epoch) { _ in
            }
        }
        #expect(try scene.size() == 0)
        // Nothing is left of one whose first transaction fails.
        #expect(throws: VaultError(.denied, "")) {
            try PostgresStore.create(at: place, isSingle: true, logger: Scene.logger, at: Scene.epoch) { _ in
                throw VaultError(.denied, "not now")
            }
        }
        #expect(throws: VaultError(.notFound, "")) { try PostgresStore(at: place, logger: Scene.logger) }
    }

    @Test func `a schema that another role owns or may create in is refused`() throws {
        let cluster = try PostgresCluster.shared.get()
        let service = try cluster.makeDatabase()
        defer { cluster.giveBack(service) }
        let place = try PostgresPlace(service: service)
        func create() throws {
            try PostgresStore.create(at: place, isSingle: true, logger: Scene.logger, at: Scene.epoch) {
                try $0.apply([RowWrite(making: .logHead, Scene.head(0))])
            }.close()
        }
        try cluster.run("CREATE ROLE stranger; CREATE SCHEMA tokenvault AUTHORIZATION stranger", in: service)
        #expect(throws: VaultError(.permissionDenied, "")) { try create() }
        try cluster.run("ALTER SCHEMA tokenvault OWNER TO tokenvault", in: service)
        try cluster.run("GRANT CREATE ON SCHEMA tokenvault TO stranger", in: service)
        #expect(throws: VaultError(.permissionDenied, "")) { try create() }
        try cluster.run("REVOKE CREATE ON SCHEMA tokenvault FROM stranger", in: service)
        try create()
        func open() throws { try PostgresStore(at: place, logger: Scene.logger).close() }
        try open()
        try cluster.run("GRANT CREATE ON SCHEMA tokenvault TO PUBLIC", in: service)
        #expect(throws: VaultError(.permissionDenied, "")) { try open() }
        try cluster.run("REVOKE CREATE ON SCHEMA tokenvault FROM PUBLIC", in: service)
        try open()
    }

    @Test func `tables that were changed, and a newer program's, are refused`() throws {
        let scene = try Scene()
        _ = try scene.run("ALTER TABLE grants ADD COLUMN extra bigint")
        #expect(throws: VaultError(.schemaChanged, "")) { try scene.other() }
        _ = try scene.run("ALTER TABLE grants DROP COLUMN extra")
        try scene.other().close()
        _ = try scene.run("INSERT INTO schema_migrations VALUES (99, decode(repeat('00', 32), 'hex'), 0)")
        #expect(throws: VaultError(.schemaNewer, "")) { try scene.other() }
        #expect(scene.grow().failure?.code == .schemaNewer)
        #expect(try scene.size() == 0)
    }

    @Test func `a later migration is applied once, and is in the ledger`() throws {
        let scene = try Scene()
        let later =
            Migration.all + [
                Migration(
                    version: 2,
                    sql:
                        "ALTER TABLE grants ADD COLUMN extra BLOB;\nALTER TABLE vault ADD COLUMN more INTEGER; -- it's new\n"
                )
            ]
        for _ in 0..<2 {
            try PostgresStore(
                at: PostgresPlace(service: scene.service), logger: Scene.logger, migrations: later
            ).close()
        }
        #expect(try scene.run("SELECT count(*), max(version) FROM schema_migrations") == "2|2")
        #expect(try scene.run("SELECT count(more) FROM vault") == "0")
        #expect(throws: VaultError(.schemaNewer, "")) { try scene.other() }
    }

    @Test func `a server that can lose what it confirmed is refused, and an encoding that is not UTF8`()
        throws
    {
        let careless = try PostgresCluster(settings: ["full_page_writes = off"])
        let service = try careless.makeDatabase()
        #expect(throws: VaultError(.unavailable, "")) {
            try PostgresStore.create(
                at: PostgresPlace(service: service), isSingle: true, logger: Scene.logger, at: Scene.epoch
            ) { _ in }
        }
        careless.end()
        let cluster = try PostgresCluster.shared.get()
        try cluster.run(
            "CREATE DATABASE latin ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0", in: "postgres")
        try cluster.describe("latin", "host=127.0.0.1\nport=\(cluster.port)\nuser=tokenvault\ndbname=latin")
        #expect(throws: VaultError(.unavailable, "")) {
            try PostgresStore.create(
                at: PostgresPlace(service: "latin"), isSingle: true, logger: Scene.logger, at: Scene.epoch
            ) { _ in }
        }
    }
}
