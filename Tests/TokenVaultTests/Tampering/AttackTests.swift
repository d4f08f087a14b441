import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `Who writes into the file without keys is named by the log` {
    /// A vault with two of everything, and a copy of the file as it was at some moment.
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let vkey: String
        var old: String { test.directory + "/old" }

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            let bob = try await Party(test.vault, "other", user: "bob")
            tokens = try await party.begin()
            _ = try await bob.begin()
            _ = try await test.connect(party.user)
            _ = try await test.connect(bob.user, provider: "second")
            vkey = test.vault.log.verifierKey
        }

        func keepCopy() throws {
            _ = try sqlite(test.path, "VACUUM INTO '\(old)'")
            #expect(chmod(old, 0o600) == 0)
        }

        func attack(_ sql: String) throws { _ = try sqlite(test.path, sql) }

        /// As anybody with the public key sees it, and as the vault itself does: the same places.
        func places() async throws -> Set<String> {
            let outside = try await VaultLog.verify(at: test.path, verifierKey: vkey).places
            let inside = try await test.vault.log.verify().places
            #expect(Set(outside).isSubset(of: inside))
            return Set(outside)
        }
    }

    @Test(.ofFiles, arguments: ["grants", "owners", "connections", "providers", "client_secrets"])
    func `two rows that changed places`(_ table: String) async throws {
        let scene = try await Scene()
        let ids = try sqlite(scene.test.path, "SELECT id FROM \(table) ORDER BY id DESC LIMIT 2").split(
            separator: "\n")
        let (first, second) = (try #require(ids.first), try #require(ids.last))
        try scene.attack(
            """
            UPDATE \(table) SET id = -1 WHERE id = \(first); UPDATE \(table) SET id = \(first) WHERE id = \(second);
            UPDATE \(table) SET id = \(second) WHERE id = -1
            """)
        #expect(try await scene.places() == ["\(table) \(first)", "\(table) \(second)"])
    }

    @Test(.ofFiles) func `an index that hides a row: the grant would escape its revocation`() async throws {
        let scene = try await Scene()
        let grant = scene.tokens.grant
        await scene.test.vault.close()
        // The index is taken out of the schema while the row is put back, and comes back as it was.
        try scene.attack(
            """
            CREATE TABLE kept AS SELECT * FROM grants WHERE id = \(grant);
            CREATE TABLE kept_schema AS SELECT * FROM sqlite_schema WHERE name = 'grants_by_owner';
            DELETE FROM grants WHERE id = \(grant);
            PRAGMA writable_schema = ON; DELETE FROM sqlite_schema WHERE name = 'grants_by_owner';
            """)
        try scene.attack(
            """
            INSERT INTO grants SELECT * FROM kept; DROP TABLE kept;
            PRAGMA writable_schema = ON; INSERT INTO sqlite_schema SELECT * FROM kept_schema;
            """)
        try scene.attack("DROP TABLE kept_schema")
        let owner =
            "SELECT count(*) FROM grants INDEXED BY grants_by_owner WHERE owner_id = \(scene.party.user.id.rawValue)"
        #expect(try sqlite(scene.test.path, owner) == "0")
        let report = try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey)
        #expect(Set(report.places) == ["grants"], "\(report.findings)")
    }

    @Test(
        .ofFiles,
        arguments: [
            "grants", "owners", "clients", "client_secrets", "connections", "providers", "keyslots",
            "keyslot_details",
            "system_keys", "role_keys", "owner_keys",
        ])
    func `a row that was deleted`(_ table: String) async throws {
        let scene = try await Scene()
        let id = try sqlite(scene.test.path, "SELECT max(id) FROM \(table)")
        try scene.attack("DELETE FROM \(table) WHERE id = \(id)")
        let report = try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey)
        #expect(report.places == ["\(table) \(id)"])
        #expect(report.findings.allSatisfy { $0.problem.contains("is missing") })
    }

    @Test(.ofFiles) func `a row as it was before`() async throws {
        let scene = try await Scene()
        try scene.keepCopy()
        _ = try #require(await scene.party.refresh(scene.tokens.refreshToken).issued)
        try await scene.test.vault.clients.disable("app")
        let client = scene.party.client.id.rawValue
        try scene.attack(
            """
            ATTACH '\(scene.old)' AS old;
            REPLACE INTO owners SELECT * FROM old.owners WHERE id = \(client);
            REPLACE INTO grants SELECT * FROM old.grants WHERE id = \(scene.tokens.grant);
            """)
        #expect(try await scene.places() == ["owners \(client)", "grants \(scene.tokens.grant)"])
    }

    @Test(.ofFiles) func `a log cut back to an older head that was signed: rows speak of entries to come`()
        async throws
    {
        let scene = try await Scene()
        try scene.keepCopy()
        try await scene.test.vault.grants.revoke(scene.tokens.grant)
        let newest = try await scene.test.vault.log.checkpoint()
        await scene.test.vault.close()
        try scene.attack(
            """
            ATTACH '\(scene.old)' AS old; DELETE FROM main.audit_leaves; DELETE FROM main.audit_tiles;
            INSERT INTO main.audit_leaves SELECT * FROM old.audit_leaves;
            INSERT INTO main.audit_tiles SELECT * FROM old.audit_tiles;
            REPLACE INTO main.audit_head SELECT * FROM old.audit_head;
            """)
        let report = try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey)
        #expect(report.places == ["grants \(scene.tokens.grant)"])
        #expect(report.affectedGrants == [scene.tokens.grant.rawValue])
        // With the row set back as well it is yesterday's vault, which only somebody outside can tell.
        try scene.attack(
            "ATTACH '\(scene.old)' AS old; REPLACE INTO main.grants SELECT * FROM old.grants")
        #expect(try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey).isIntact)
        let since = try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey, since: newest)
        #expect(since.places == ["head"])
    }

    @Test(.ofFiles) func `a sealed value moved to another row`() async throws {
        let scene = try await Scene()
        let ids = try await scene.test.vault.connections().map(\.id.rawValue)
        let (from, to) = (try #require(ids.first), try #require(ids.last))
        try scene.attack(
            "UPDATE connections SET pair = (SELECT pair FROM connections WHERE id = \(from)) WHERE id = \(to)"
        )
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.vault.heldConnection(ConnectionID(to))
        }
        #expect(try await scene.places() == ["connections \(to)"])
        // The tokens of the row it came from are as they were.
        _ = try await scene.test.vault.heldConnection(ConnectionID(from))
    }

    @Test(.ofFiles) func `an owner's key replaced by another owner's`() async throws {
        let scene = try await Scene()
        let (alice, bob) = (
            scene.party.user.id.rawValue, try await scene.test.vault.users.find("bob").id.rawValue
        )
        try scene.attack(
            "UPDATE owner_keys SET wrapped = (SELECT wrapped FROM owner_keys WHERE id = \(bob * 4)) WHERE id = \(alice * 4)"
        )
        #expect(try await scene.places() == ["owner_keys \(alice * 4)"])
        await scene.test.vault.close()
        let vault = try await scene.test.reopen()
        await #expect(throws: VaultError(.integrity, "")) { try await vault.users.list() }
        await vault.close()
    }

    @Test(
        .ofFiles,
        arguments: [
            "parameters = X'00'", "parameters = zeroblob(16)", "kind = 2", "epoch = 2",
            "wrapped = zeroblob(137)",
        ])
    func `a keyslot's parameters`(_ change: String) async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        try scene.attack("UPDATE keyslots SET \(change) WHERE id = 1")
        #expect(
            try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey).places == ["keyslots 1"])
        let refusal = await #expect(throws: VaultError.self) { try await scene.test.reopen() }
        #expect([.locked, .integrity].contains(refusal?.code))
    }
}

@Suite(.bounded) struct `Keys of an older copy do not come back unseen` {
    private func replay(_ table: String, _ id: Int64, of old: String, in test: TestVault) throws {
        _ = try sqlite(
            test.path,
            "ATTACH '\(old)' AS old; REPLACE INTO main.\(table) SELECT * FROM old.\(table) WHERE id = \(id)")
    }

    private func copy(_ test: TestVault) throws -> String {
        _ = try sqlite(test.path, "VACUUM INTO '\(test.directory)/old'")
        return test.directory + "/old"
    }

    @Test(.ofFiles) func `a retired key of a role after its rotation`() async throws {
        let stage = try await `Keys are rotated while services run`.Stage(users: 200)
        let cut = Task {
            try await stage.vault.keys.rotateRoot { progress in
                if progress.phase == "owners" { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: CancellationError.self) { try await cut.value }
        let old = try copy(stage.test)
        #expect(try await stage.vault.keys.rotateRoot().isResumed)
        try replay("role_keys", 2, of: old, in: stage.test)
        let report = try await VaultLog.verify(at: stage.test.path, verifierKey: stage.vault.log.verifierKey)
        #expect(report.places == ["role_keys 2"])
        #expect(report.findings.allSatisfy { $0.problem.contains("the log does not say so") })
    }

    @Test(.ofFiles) func `a keyslot after a rotation opens nothing`() async throws {
        let test = try await TestVault()
        let vkey = test.vault.log.verifierKey
        let old = try copy(test)
        _ = try await test.vault.keys.rotateRoot()
        await test.vault.close()
        try replay("keyslots", 1, of: old, in: test)
        #expect(try await VaultLog.verify(at: test.path, verifierKey: vkey).places == ["keyslots 1"])
        await #expect(throws: VaultError(.locked, "")) { try await test.reopen() }
    }

    @Test(.ofFiles) func `a keyslot that was removed is named, and of no use after the deep rotation`()
        async throws
    {
        let test = try await TestVault()
        let lost = test.directory + "/lost"
        try Vault.createKeyFile(at: lost)
        let slot = try await test.vault.keys.addSlot(named: "lost", unlockedBy: .keyFile(path: lost))
        let old = try copy(test)
        try await test.vault.keys.removeSlot(named: slot.name)
        let id = try #require(
            Int64(try sqlite(test.path, "ATTACH '\(old)' AS old; SELECT max(id) FROM old.keyslots")))
        try replay("keyslots", id, of: old, in: test)
        let vkey = test.vault.log.verifierKey
        #expect(try await VaultLog.verify(at: test.path, verifierKey: vkey).places == ["keyslots \(id)"])
        _ = try sqlite(test.path, "DELETE FROM keyslots WHERE id = \(id)")
        _ = try await test.vault.keys.rotateDeeply(openedBy: .keyFile(path: test.keyFile))
        try replay("keyslots", id, of: old, in: test)
        await test.vault.close()
        await #expect(throws: VaultError.self) {
            try await Vault.open(
                at: test.path, unlockedBy: .keyFile(path: lost),
                configuration: VaultConfiguration(clock: test.clock))
        }
    }

    @Test(.ofFiles)
    func `one put back with its details opens nothing that can be read, and no rotation takes it along`()
        async throws
    {
        let test = try await TestVault()
        let (kept, lost) = (KeySource.keyFile(path: test.keyFile), test.directory + "/lost")
        try Vault.createKeyFile(at: lost)
        _ = try await test.vault.keys.addSlot(named: "lost", unlockedBy: .keyFile(path: lost))
        let old = try copy(test)
        try await test.vault.keys.removeSlot(named: "lost")
        let id = try #require(
            Int64(try sqlite(test.path, "ATTACH '\(old)' AS old; SELECT max(id) FROM old.keyslots")))
        func putBack() throws {
            for table in ["keyslots", "keyslot_details"] { try replay(table, id, of: old, in: test) }
        }
        func opensByLost() async -> Bool {
            guard
                let vault = try? await Vault.open(
                    at: test.path, unlockedBy: .keyFile(path: lost),
                    configuration: VaultConfiguration(clock: test.clock))
            else { return false }
            let reads = (try? await vault.users.list()) != nil
            await vault.close()
            return reads
        }
        #expect(await !opensByLost())
        try replay("keyslots", id, of: old, in: test)
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.keys.rotateRoot() }
        try putBack()
        // The row is authentic, and the root key is the same; but the vault's own record does not count it.
        #expect(await !opensByLost())
        let report = try await VaultLog.verify(at: test.path, verifierKey: test.vault.log.verifierKey)
        #expect(report.places == ["keyslots \(id)", "keyslot_details \(id)"])
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.keys.rotateRoot() }
        await #expect(throws: VaultError(.integrity, "")) {
            try await test.vault.keys.rotateDeeply(openedBy: kept)
        }
        for table in ["keyslot_details", "keyslots"] {
            _ = try sqlite(test.path, "DELETE FROM \(table) WHERE id = \(id)")
        }
        _ = try await test.vault.keys.rotateDeeply(openedBy: kept)
        #expect(await !opensByLost())
        try putBack()
        #expect(await !opensByLost())
        await test.vault.close()
    }
}
