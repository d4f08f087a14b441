import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `Who writes into the store without keys is named by the log` {
    /// A vault with two of everything, and a copy of the file as it was at some moment.
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let vkey: String

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

        func attack(_ sql: String) throws { try test.sql(sql) }

        /// As anybody with the public key sees it, and as the vault itself does: the same places.
        func finds(_ places: Set<String>) async throws -> Bool {
            let outside = try await test.report(vkey).places
            let inside = try await test.vault.log.verify().places
            #expect(Set(outside).isSubset(of: inside))
            return test.database == nil ? Set(outside) == places : places.isSubset(of: inside)
        }
    }

    @Test(.withSQL, arguments: ["grants", "owners", "connections", "providers", "client_secrets"])
    func `two rows that changed places`(_ table: String) async throws {
        let scene = try await Scene()
        let ids = try scene.test.sql("SELECT id FROM \(table) ORDER BY id DESC LIMIT 2").split(
            separator: "\n")
        let (first, second) = (try #require(ids.first), try #require(ids.last))
        try scene.attack(
            """
            UPDATE \(table) SET id = -1 WHERE id = \(first); UPDATE \(table) SET id = \(first) WHERE id = \(second);
            UPDATE \(table) SET id = \(second) WHERE id = -1
            """)
        #expect(try await scene.finds(["\(table) \(first)", "\(table) \(second)"]))
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
        #expect(try scene.test.sql(owner) == "0")
        let report = try await VaultLog.verify(at: scene.test.path, verifierKey: scene.vkey)
        #expect(Set(report.places) == ["grants"], "\(report.findings)")
    }

    @Test(
        .withSQL,
        arguments: [
            "grants", "owners", "clients", "client_secrets", "connections", "providers", "keyslots",
            "keyslot_details",
            "system_keys", "role_keys", "owner_keys",
        ])
    func `a row that was deleted`(_ table: String) async throws {
        let scene = try await Scene()
        let id = try scene.test.sql("SELECT max(id) FROM \(table)")
        try scene.attack("DELETE FROM \(table) WHERE id = \(id)")
        let report = try await scene.test.report(scene.vkey)
        #expect(try await scene.test.finds(["\(table) \(id)"], scene.vkey))
        #expect(
            report.findings.contains {
                $0.place == "\(table) \(id)" && $0.problem.contains("is missing")
            })
    }

    @Test(.withSQL) func `a row as it was before`() async throws {
        let scene = try await Scene()
        try scene.test.keep()
        _ = try #require(await scene.party.refresh(scene.tokens.refreshToken).issued)
        try await scene.test.vault.clients.disable("app")
        let client = scene.party.client.id.rawValue
        try scene.test.putBack("owners", where: "id = \(client)")
        try scene.test.putBack("grants", where: "id = \(scene.tokens.grant)")
        #expect(try await scene.finds(["owners \(client)", "grants \(scene.tokens.grant)"]))
    }

    @Test(.withSQL) func `a log cut back to an older head that was signed: rows speak of entries to come`()
        async throws
    {
        let scene = try await Scene()
        try scene.test.keep()
        try await scene.test.vault.grants.revoke(scene.tokens.grant)
        let newest = try await scene.test.vault.log.checkpoint()
        await scene.test.vault.close()
        try scene.test.setBack(["audit_leaves", "audit_tiles", "audit_head"])
        let report = try await scene.test.report(scene.vkey)
        #expect(report.places == ["grants \(scene.tokens.grant)"])
        #expect(report.affectedGrants == [scene.tokens.grant.rawValue])
        // With the row set back as well it is yesterday's vault, which only somebody outside can tell.
        try scene.test.putBack("grants")
        #expect(try await scene.test.report(scene.vkey).isIntact)
        let since = try await scene.test.report(scene.vkey, since: newest)
        // An opening has added to the log of a server since.
        #expect(since.places == [scene.test.database == nil ? "head" : "entry 0"])
    }

    @Test(.withSQL) func `a sealed value moved to another row`() async throws {
        let scene = try await Scene()
        let ids = try await scene.test.vault.connections().map(\.id.rawValue)
        let (from, to) = (try #require(ids.first), try #require(ids.last))
        try scene.attack(
            "UPDATE connections SET pair = (SELECT pair FROM connections WHERE id = \(from)) WHERE id = \(to)"
        )
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.vault.heldConnection(ConnectionID(to))
        }
        #expect(try await scene.finds(["connections \(to)"]))
        // The tokens of the row it came from are as they were.
        _ = try await scene.test.vault.heldConnection(ConnectionID(from))
    }

    @Test(.withSQL) func `an owner's key replaced by another owner's`() async throws {
        let scene = try await Scene()
        let (alice, bob) = (
            scene.party.user.id.rawValue, try await scene.test.vault.users.find("bob").id.rawValue
        )
        try scene.attack(
            "UPDATE owner_keys SET wrapped = (SELECT wrapped FROM owner_keys WHERE id = \(bob * 4)) WHERE id = \(alice * 4)"
        )
        #expect(try await scene.finds(["owner_keys \(alice * 4)"]))
        await scene.test.vault.close()
        let vault = try await scene.test.reopen()
        await #expect(throws: VaultError(.integrity, "")) { try await vault.users.list() }
        await vault.close()
    }

    @Test(
        .withSQL,
        arguments: [
            "parameters = X'00'", "parameters = zeroblob(16)", "kind = 2", "epoch = 2",
            "wrapped = zeroblob(137)",
        ])
    func `a keyslot's parameters`(_ change: String) async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        try scene.attack("UPDATE keyslots SET \(change) WHERE id = 1")
        if scene.test.database == nil {
            #expect(try await scene.test.finds(["keyslots 1"], scene.vkey))
        }
        let refusal = await #expect(throws: VaultError.self) { try await scene.test.reopen() }
        #expect([.locked, .integrity].contains(refusal?.code))
    }
}

@Suite(.bounded) struct `Keys of an older copy do not come back unseen` {
    private func replay(_ table: String, _ id: Int64, in test: TestVault) throws {
        try test.putBack(table, where: "id = \(id)")
    }

    @Test(.withSQL) func `a retired key of a role after its rotation`() async throws {
        let stage = try await `Keys are rotated while services run`.Stage(users: 200)
        let cut = Task {
            try await stage.vault.keys.rotateRoot { progress in
                if progress.phase == "owners" { withUnsafeCurrentTask { $0?.cancel() } }
            }
        }
        await #expect(throws: CancellationError.self) { try await cut.value }
        try stage.test.keep()
        #expect(try await stage.vault.keys.rotateRoot().isResumed)
        try replay("role_keys", 2, in: stage.test)
        let vkey = stage.vault.log.verifierKey
        #expect(try await stage.test.finds(["role_keys 2"], vkey))
        let report = try await stage.test.report(vkey)
        #expect(report.findings.first?.problem.contains("the log does not say so") == true)
    }

    @Test(.withSQL) func `a keyslot after a rotation opens nothing`() async throws {
        let test = try await TestVault()
        let vkey = test.vault.log.verifierKey
        try test.keep()
        _ = try await test.vault.keys.rotateRoot()
        await test.vault.close()
        try replay("keyslots", 1, in: test)
        if test.database == nil { #expect(try await test.finds(["keyslots 1"], vkey)) }
        await #expect(throws: VaultError(.locked, "")) { try await test.reopen() }
    }

    @Test(.withSQL) func `a keyslot that was removed is named, and of no use after the deep rotation`()
        async throws
    {
        let test = try await TestVault()
        let lost = test.directory + "/lost"
        try Vault.createKeyFile(at: lost)
        let slot = try await test.vault.keys.addSlot(named: "lost", unlockedBy: .keyFile(path: lost))
        try test.keep()
        try await test.vault.keys.removeSlot(named: slot.name)
        let id = try #require(
            Int64(try test.sql("SELECT max(id) FROM old.keyslots")))
        try replay("keyslots", id, in: test)
        let vkey = test.vault.log.verifierKey
        #expect(try await test.finds(["keyslots \(id)"], vkey))
        try test.sql("DELETE FROM keyslots WHERE id = \(id)")
        _ = try await test.vault.keys.rotateDeeply(openedBy: .keyFile(path: test.keyFile))
        try replay("keyslots", id, in: test)
        await test.vault.close()
        await #expect(throws: VaultError.self) {
            try await test.reopen(by: .keyFile(path: lost))
        }
    }

    @Test(.withSQL)
    func `one put back with its details opens nothing that can be read, and no rotation takes it along`()
        async throws
    {
        let test = try await TestVault()
        let (kept, lost) = (KeySource.keyFile(path: test.keyFile), test.directory + "/lost")
        try Vault.createKeyFile(at: lost)
        _ = try await test.vault.keys.addSlot(named: "lost", unlockedBy: .keyFile(path: lost))
        try test.keep()
        try await test.vault.keys.removeSlot(named: "lost")
        let id = try #require(
            Int64(try test.sql("SELECT max(id) FROM old.keyslots")))
        func putBack() throws {
            for table in ["keyslots", "keyslot_details"] { try replay(table, id, in: test) }
        }
        func opensByLost() async -> Bool {
            guard
                let vault = try? await test.reopen(by: .keyFile(path: lost))
            else { return false }
            let reads = (try? await vault.users.list()) != nil
            await vault.close()
            return reads
        }
        #expect(await !opensByLost())
        try replay("keyslots", id, in: test)
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.keys.rotateRoot() }
        try putBack()
        // The row is authentic, and the root key is the same; but the vault's own record does not count it.
        #expect(await !opensByLost())
        #expect(
            try await test.finds(
                ["keyslots \(id)", "keyslot_details \(id)"], test.vault.log.verifierKey))
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.keys.rotateRoot() }
        await #expect(throws: VaultError(.integrity, "")) {
            try await test.vault.keys.rotateDeeply(openedBy: kept)
        }
        for table in ["keyslot_details", "keyslots"] {
            try test.sql("DELETE FROM \(table) WHERE id = \(id)")
        }
        _ = try await test.vault.keys.rotateDeeply(openedBy: kept)
        #expect(await !opensByLost())
        try putBack()
        #expect(await !opensByLost())
        await test.vault.close()
    }
}
