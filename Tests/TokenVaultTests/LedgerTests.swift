import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody
import VaultStore

/// What a later program adds: a column behind the last of two tables.
private let addedColumns = """
    ALTER TABLE grants ADD COLUMN note TEXT;
    ALTER TABLE clients ADD COLUMN limits INTEGER;
    """

extension TestVault {
    /// Opens the vault as a program does that knows further migrations.
    fileprivate func openLater(_ migrations: String...) async throws -> Vault {
        var configuration = VaultConfiguration(clock: clock)
        configuration.laterMigrations = migrations
        return try await Vault.open(at: path, unlockedBy: source, configuration: configuration)
    }

    fileprivate var schemas: String {
        get throws { try sqlite(path, "SELECT group_concat(version) FROM schema_migrations") }
    }
}

@Suite(.bounded) struct `A column that is added leaves every row as good as it was` {
    @Test(.ofFiles) func `rows of before keep their tags, and what works goes on`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let key = test.vault.log.verifierKey
        await test.vault.close()
        let vault = try await test.openLater(addedColumns)
        #expect(try test.schemas == "1,2")
        #expect(try await vault.status().schema == 2)
        #expect(try await vault.validate(tokens.pair.accessToken) != nil)
        let request = ExchangeRequest(
            kind: .refreshToken, credential: try tokens.refreshToken,
            client: try await vault.clients.find(party.client.clientID), channel: .library)
        #expect(try await vault.exchange(request).issued?.generation == 2)
        let report = try await vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(await vault.examine().allSatisfy { $0.code == nil })
        await vault.close()
        // The next start finds it up to date.
        await (try await test.openLater(addedColumns)).close()
        #expect(try test.schemas == "1,2")
        await #expect(throws: VaultError(.schemaNewer, "")) {
            try await VaultLog.verify(at: test.path, verifierKey: key)
        }
    }

    @Test func `a null in it changes nothing of the canonical bytes, a value does`() throws {
        let now = TableLayout.clients
        let later = TableLayout(now.name, now.number, now.columns + ["limits"])
        let columns: [SQLValue] =
            [.blob([1, 2, 3]), .text("{}")]
            + Array(repeating: .null, count: now.columns.count - 2)
        let old = CanonicalRow(now, id: 7, columns: columns, leaf: 9)
        let new = CanonicalRow(later, id: 7, columns: columns + [.null], leaf: 9)
        #expect(old.bytes == new.bytes && old.hashed == new.hashed)
        let used = CanonicalRow(later, id: 7, columns: columns + [.integer(0)], leaf: 9)
        #expect(used.bytes != new.bytes && used.hashed == new.hashed + 10)
    }

    @Test func `so it is behind a column that the log does not hash`() throws {
        let now = TableLayout.grants
        let later = TableLayout(
            now.name, now.number, now.columns + ["note"], unhashed: ["first_used_at"])
        var columns = now.columns.indices.map { SQLValue.integer(Int64($0)) }
        let old = CanonicalRow(now, id: 7, columns: columns, leaf: 9)
        columns.append(.null)
        let new = CanonicalRow(later, id: 7, columns: columns, leaf: 9)
        // Which columns are hashed is the layout's, so a layout that hashes more has another hash.
        #expect(old.bytes.count == new.bytes.count)
        columns[columns.count - 1] = .text("a")
        let used = CanonicalRow(later, id: 7, columns: columns, leaf: 9)
        #expect(used.hashed == new.hashed + 7)
        #expect(used.bytes.count == new.bytes.count + 7)
    }

    @Test func `columns are told apart by number, type and value`() throws {
        let layout = TableLayout("t", 99, ["a", "b", "c"], unhashed: ["b"])
        func bytes(_ columns: [SQLValue], _ id: Int64 = 1, leaf: Int64 = 2) -> [UInt8] {
            CanonicalRow(layout, id: id, columns: columns, leaf: leaf).bytes
        }
        #expect(
            bytes([.integer(258), .text("é"), .blob([0])]) == [
                0, 99, 0, 0, 0, 0, 0, 0, 0, 1,
                1, 1, 0, 0, 0, 0, 0, 0, 1, 2,
                3, 3, 0, 0, 0, 1, 0,
                2, 2, 0, 0, 0, 2, 0xC3, 0xA9,
                255, 1, 0, 0, 0, 0, 0, 0, 0, 2,
            ])
        let rows: [[SQLValue]] = [
            [.null, .null, .null], [.integer(0), .null, .null], [.null, .integer(0), .null],
            [.null, .null, .integer(0)], [.text(""), .null, .null], [.blob([]), .null, .null],
            [.text("ab"), .text("c"), .null], [.text("a"), .text("bc"), .null],
            [.text("c"), .text("ab"), .null], [.text("ab"), .null, .text("c")],
        ]
        #expect(Set(rows.map { bytes($0) }).count == rows.count)
        #expect(bytes(rows[0]) != bytes(rows[0], 2))
        #expect(bytes(rows[0]) != bytes(rows[0], leaf: 3))
    }
}

@Suite(.bounded) struct `A vault is brought up to date whole or not at all` {
    @Test(.ofFiles) func `opened by several at once it happens once`() async throws {
        let test = try await TestVault()
        let tokens = try await Party(test.vault).begin()
        await test.vault.close()
        try await withThrowingTaskGroup(of: Vault.self) { group in
            for _ in 0..<4 { group.addTask { try await test.openLater(addedColumns) } }
            for try await vault in group {
                #expect(try await vault.validate(tokens.pair.accessToken) != nil)
                await vault.close()
            }
        }
        #expect(try test.schemas == "1,2")
    }

    @Test(.ofFiles, arguments: ["CREATE TABLE extra (id)", "DROP INDEX grants_by_owner"])
    func `one that was altered is refused and left at its schema`(_ sql: String) async throws {
        let test = try await TestVault()
        await test.vault.close()
        _ = try sqlite(test.path, sql)
        await #expect(throws: VaultError(.schemaChanged, "")) { try await test.openLater(addedColumns) }
        #expect(try test.schemas == "1")
    }

    @Test(.ofFiles) func `a step of another text than the one that was taken is refused`() async throws {
        let test = try await TestVault()
        await test.vault.close()
        await (try await test.openLater(addedColumns)).close()
        await #expect(throws: VaultError(.schemaChanged, "")) {
            try await test.openLater("ALTER TABLE grants ADD COLUMN another TEXT;")
        }
        await #expect(throws: VaultError(.schemaNewer, "")) { try await test.reopen() }
        #expect(try test.schemas == "1,2")
    }

    @Test(.ofFiles) func `a step that fails half way leaves no trace`() async throws {
        let test = try await TestVault()
        let tokens = try await Party(test.vault).begin()
        await test.vault.close()
        await #expect(throws: VaultError.self) {
            try await test.openLater(addedColumns + "\nALTER TABLE nowhere ADD COLUMN a TEXT;")
        }
        let vault = try await test.reopen()
        #expect(try await vault.validate(tokens.pair.accessToken) != nil)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
        #expect(try test.schemas == "1")
    }

    @Test(.ofFiles) func `so does one that was killed, and the next start takes it`() async throws {
        let test = try await TestVault()
        let tokens = try await Party(test.vault).begin()
        await test.vault.close()
        // Pages go to the WAL before the commit; the shell dies without rolling back.
        let script = """
            PRAGMA cache_size = 1;
            BEGIN IMMEDIATE;
            \(addedColumns)
            CREATE TABLE filling AS SELECT bytes FROM audit_leaves, (SELECT 1 UNION SELECT 2);
            .system kill -9 $PPID
            """
        let file = test.directory + "/script"
        try Data(script.utf8).write(to: URL(filePath: file))
        let stream = try #require(popen("sqlite3 '\(test.path)' < '\(file)' 2>&1", "r"))
        #expect(pclose(stream) != 0)
        await (try await test.reopen()).close()
        #expect(try test.schemas == "1")
        let vault = try await test.openLater(addedColumns)
        #expect(try await vault.validate(tokens.pair.accessToken) != nil)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
        #expect(try test.schemas == "1,2")
    }
}

@Suite(.bounded) struct `An older process never spoils what a newer one wrote` {
    private let newer = VaultError(.schemaNewer, "")

    @Test(.ofFiles) func `it writes nothing more, and reads what is as it was`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let later = try await test.openLater(addedColumns)
        let size = try await later.status().logSize
        await #expect(throws: newer) { try await test.vault.users.add("bob") }
        await #expect(throws: newer) { try await party.refresh(tokens.refreshToken) }
        await #expect(throws: newer) { try await test.vault.beginServing() }
        #expect(try await test.vault.validate(tokens.pair.accessToken) != nil)
        #expect(try await test.vault.users.find("alice").name == "alice")
        // First uses are upkeep, and are not written either.
        await test.vault.close()
        #expect(try await later.status().logSize == size)
        #expect(try await later.log.verify().isIntact)
        _ = try await later.users.add("bob")
        await later.close()
    }

    @Test(.ofFiles) func `a row with the new column is newer, not damaged`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let other = try await Party(test.vault, "other", user: "bob").begin()
        let vault = test.vault
        await (try await test.openLater(addedColumns)).close()
        // As a newer program writes it, its tag would be another; which one, this one cannot tell.
        _ = try sqlite(
            test.path,
            "UPDATE grants SET note = 'a', row_tag = randomblob(32) WHERE id = \(tokens.grant.rawValue)")
        await #expect(throws: newer) { try await vault.validate(tokens.pair.accessToken) }
        await #expect(throws: newer) { try await vault.inspectRefreshToken(tokens.refreshToken) }
        await #expect(throws: newer) { try await vault.grants.list() }
        #expect(try await vault.validate(other.pair.accessToken) != nil)
        await #expect(throws: newer) { try await vault.log.verify() }
        var pace = PassPace()
        await #expect(throws: newer) { try await vault.compareRows(&pace) { _ in } }
        #expect(vault.damagedRows == 0 && !vault.isDamaged)
        #expect(await vault.examine().map(\.code) == [.schemaNewer])
    }

    @Test(.ofFiles) func `nor is a table that it does not find again`() async throws {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        await (try await test.openLater("ALTER TABLE consents RENAME TO agreements;")).close()
        let user = try await test.vault.users.find("alice").id
        await #expect(throws: newer) { try await test.vault.consents.list(ofUser: user) }
    }

    @Test(.ofFiles) func `under a ledger of its own, the same row is damaged`() async throws {
        let test = try await TestVault()
        let tokens = try await Party(test.vault).begin()
        _ = try sqlite(test.path, "UPDATE grants SET row_tag = randomblob(32)")
        await #expect(throws: VaultError(.integrity, "")) {
            try await test.vault.validate(tokens.pair.accessToken)
        }
    }
}
