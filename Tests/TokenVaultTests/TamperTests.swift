import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `P7: what was edited from outside is refused when read, and named by verify` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
    }

    private func scene() async throws -> Scene {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await Party(test.vault, "other app", user: "bob")
        return Scene(test: test, party: party, tokens: try await party.begin())
    }

    @Test(
        .withSQL,
        arguments: [
            "state = 2", "state = 1, scope = 'basic readmeasurements'", "owner_id = 5", "client_id = 4",
            "idle_expires_at = idle_expires_at + 1", "absolute_expires_at = absolute_expires_at + 1000",
            "access_scope = 'readmeasurements'", "access_expires_at = access_expires_at + 1",
            "generation = 0",
            "owner_revocations = 9", "leaf = leaf - 1", "row_tag = zeroblob(32)", "pair = NULL",
            "first_used_at = 1", "stale_uses = 1", "last_stale_at = 1", "context = NULL",
            "pair = NULL, context = pair",
            "swapped_at = swapped_at + 1", "credential_tag = previous_credential_tag",
        ])
    func `a grant`(_ change: String) async throws {
        let scene = try await scene()
        try scene.test.sql("UPDATE grants SET \(change) WHERE id = 1")
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.vault.validate(scene.tokens.pair.accessToken)
        }
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.party.refresh(scene.tokens.refreshToken)
        }
        await #expect(throws: VaultError(.integrity, "")) { try await scene.test.vault.grants.list() }
        let report = try await scene.test.vault.log.verify()
        #expect(report.findings.contains { $0.place == "grants 1" }, "\(report.findings)")
    }

    @Test(
        .withSQL,
        arguments: [
            ("owners", "state = 1", 4), ("owners", "revocations = 7", 3), ("owners", "kind = 2", 2),
            ("clients", "registration = replace(registration, 'basic', 'admin')", 2),
            ("client_secrets", "not_after = 9999999999999", 1), ("client_secrets", "client_id = 4", 1),
        ])
    func `an owner, a registration, a secret`(_ table: String, _ change: String, _ id: Int) async throws {
        let scene = try await scene()
        if table == "owners", id == 4 {
            try await scene.test.vault.clients.disable("other app")
        }
        await scene.test.vault.close()
        try scene.test.sql("UPDATE \(table) SET \(change) WHERE id = \(id)")
        let vault = try await scene.test.reopen()
        await #expect(throws: VaultError(.integrity, "")) {
            (try await vault.clients.list(), try await vault.users.list())
        }
        let report = try await vault.log.verify()
        #expect(report.findings.contains { $0.place == "\(table) \(id)" }, "\(report.findings)")
        await vault.close()
    }

    // SQLite would not store a real number there, but reads one that is there.
    @Test(.ofFiles) func `a null that became a real number`() async throws {
        let scene = try await scene()
        await scene.test.vault.close()
        let kind = try scene.test.sql(
            """
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = replace(sql, ') STRICT', ')') WHERE name = 'grants';
            PRAGMA writable_schema = RESET;
            UPDATE grants SET stale_uses = 1.5 WHERE id = 1;
            PRAGMA writable_schema = ON;
            UPDATE sqlite_schema SET sql = sql || ' STRICT' WHERE name = 'grants';
            PRAGMA writable_schema = RESET;
            SELECT typeof(stale_uses) FROM grants WHERE id = 1;
            """)
        #expect(kind == "real")
        let vault = try await scene.test.reopen()
        await #expect(throws: VaultError(.integrity, "")) {
            try await vault.validate(scene.tokens.pair.accessToken)
        }
        let report = try await vault.log.verify()
        #expect(report.findings.contains { $0.place == "grants 1" }, "\(report.findings)")
        await vault.close()
    }

    @Test(
        .withSQL,
        arguments: [
            "UPDATE keyslots SET created_at = 0", "UPDATE system_keys SET state = 2 WHERE purpose = 3",
            "UPDATE role_keys SET created_at = 0",
        ])
    func `a keyslot or a system key: the vault does not open`(_ sql: String) async throws {
        let scene = try await scene()
        await scene.test.vault.close()
        try scene.test.sql(sql)
        await #expect(throws: VaultError(.integrity, "")) { try await scene.test.reopen() }
    }

    @Test(
        .withSQL,
        arguments: [
            "outage = -9223372036854775808", "registry_revision = 1", "next_grant_id = 9223372036854775807",
        ])
    func `the vault's own row`(_ change: String) async throws {
        let scene = try await scene()
        try scene.test.sql("UPDATE vault SET \(change)")
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.vault.validate(scene.tokens.pair.accessToken)
        }
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.party.refresh(scene.tokens.refreshToken)
        }
        let report = try await scene.test.vault.log.verify()
        #expect(report.findings.contains { $0.place == "vault" }, "\(report.findings)")
        await scene.test.vault.close()
        await #expect(throws: VaultError(.integrity, "")) { try await scene.test.reopen() }
    }

    @Test(
        .withSQL,
        arguments: [
            ("consents", "scope = 'basic readmeasurements'"), ("consents", "client_id = 4"),
            ("consents", "granted_at = 0"), ("passwords", "version = 0"), ("passwords", "verifier = NULL"),
            ("passwords", "verifier = zeroblob(137)"), ("passwords", "leaf = 0"),
            ("signing_keys", "state = 2"),
            ("signing_keys", "public_jwk = '{}'"), ("signing_keys", "private_key = zeroblob(336)"),
            ("signing_keys", "published_until = 9999999999999"), ("signing_keys", "kid = 'mine'"),
        ])
    func `a consent, a password, a signing key`(_ table: String, _ change: String) async throws {
        let scene = try await scene()
        let vault = scene.test.vault
        let (user, client) = (scene.party.user.id, scene.party.client.id)
        let password = SecretBytes(copying: "correct horse battery")
        try await vault.consents.remember(ofUser: user, toClient: client, scope: scene.tokens.scope)
        try await vault.users.setPassword(password, of: "alice")
        try await vault.addSigningKey(
            kid: "a", algorithm: .es256, privateKey: Secret(copying: "private"), publicJWK: "[]",
            retiringCurrent: .zero)
        let cookie = try await vault.startSession(
            user: user, signedInAt: scene.test.clock.now(), lifetime: .seconds(60))
        let id = try scene.test.sql("SELECT id FROM \(table)")
        try scene.test.sql("UPDATE \(table) SET \(change)")
        if table == "passwords" {
            await #expect(throws: VaultError(.integrity, "")) { try await vault.session(cookie) }
        }
        await #expect(throws: VaultError(.integrity, "")) {
            switch table {
            case "consents": _ = try await vault.consents.list(ofUser: user)
            case "passwords": _ = try await vault.users.signIn("alice", password: password)
            default: _ = try await vault.signingKeys()
            }
        }
        let places = Set(try await vault.log.verify().findings.map(\.place))
        // Signing keys are counted by the vault's own record as well.
        #expect(places == Set(["\(table) \(id)"]).union(table == "signing_keys" ? ["vault"] : []))
    }

    @Test(.withSQL) func `a whole table of them that was dropped is missed`() async throws {
        let scene = try await scene()
        let vault = scene.test.vault
        try await vault.consents.remember(
            ofUser: scene.party.user.id, toClient: scene.party.client.id, scope: scene.tokens.scope)
        let key = vault.log.verifierKey
        await vault.close()
        try scene.test.sql("DROP TABLE consents")
        await #expect(throws: VaultError(.schemaChanged, "")) { try await scene.test.reopen() }
        guard scene.test.database == nil else { return }
        let report = try await VaultLog.verify(at: scene.test.path, verifierKey: key)
        #expect(report.findings.map(\.place) == ["consents 2"])
    }

    @Test(.withSQL, arguments: ["consents", "passwords", "signing_keys"])
    func `one of those deleted, and one brought back`(_ table: String) async throws {
        let scene = try await scene()
        let vault = scene.test.vault
        let (user, client) = (scene.party.user.id, scene.party.client.id)
        try await vault.consents.remember(ofUser: user, toClient: client, scope: scene.tokens.scope)
        try await vault.users.setPassword(Secret(copying: "first password"), of: "alice")
        try await vault.addSigningKey(
            kid: "a", algorithm: .es256, privateKey: Secret([1]), publicJWK: "{}", retiringCurrent: .zero)
        try scene.test.keep()
        let id = try scene.test.sql("SELECT id FROM \(table)")
        try await vault.consents.withdraw(ofUser: user, fromClient: client)
        try await vault.users.setPassword(Secret(copying: "second password"), of: "alice")
        try await vault.addSigningKey(
            kid: "b", algorithm: .es256, privateKey: Secret([2]), publicJWK: "{}",
            retiringCurrent: .seconds(60))
        try scene.test.putBack(table)
        let restored = try await vault.log.verify()
        // What the vault's own record counts is missed there as well.
        let record = table == "signing_keys" ? ["vault"] : []
        #expect(restored.findings.map(\.place) == ["\(table) \(id)"] + record)
        try scene.test.sql("DELETE FROM \(table) WHERE id = \(id)")
        let report = try await vault.log.verify()
        // A consent that was withdrawn is rightly gone.
        #expect(report.findings.map(\.place) == (table == "consents" ? [] : ["\(table) \(id)"] + record))
    }

    @Test(.withSQL) func `a row of another grant`() async throws {
        let scene = try await scene()
        let second = try await scene.party.begin()
        let columns = "pair, generation, credential_tag, family_tag, access_tag, row_tag, leaf"
        try scene.test.sql(
            "UPDATE grants SET (\(columns)) = (SELECT \(columns) FROM grants WHERE id = 1) WHERE id = 2")
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.vault.validate(second.pair.accessToken)
        }
    }

    @Test(.withSQL) func `yesterday's row: its tag is right, and the log says otherwise`() async throws {
        let scene = try await scene()
        try scene.test.keep()
        try await scene.test.vault.grants.revoke(scene.tokens.grant)
        try scene.test.putBack("grants", where: "id = \(scene.tokens.grant)")
        let report = try await scene.test.vault.log.verify()
        #expect(report.findings.map(\.place) == ["grants \(scene.tokens.grant)"])
    }

    @Test(.withSQL) func `a deleted grant is missed, an added one is told from the log`() async throws {
        let scene = try await scene()
        try scene.test.sql("UPDATE grants SET id = 77 WHERE id = 1")
        let report = try await scene.test.vault.log.verify()
        #expect(
            report.findings.contains { $0.place == "grants 77" && $0.problem.contains("does not say so") })
        #expect(report.findings.contains { $0.place == "grants 1" && $0.problem.contains("missing") })
    }
}

@Suite(.bounded) struct `P6: an edit, a removal or a reordering inside the log is found` {
    private func log() async throws -> TestVault {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        var tokens = try await party.begin()
        // Over a tile's worth, so that tiles are checked too.
        for _ in 0..<280 { tokens = try #require(await party.refresh(tokens.refreshToken).issued) }
        return test
    }

    @Test(
        .withSQL,
        arguments: [
            (
                "UPDATE audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), 'token', 'taken') AS BLOB) WHERE id = 9",
                "entry 9"
            ),
            ("UPDATE audit_leaves SET hash = zeroblob(32) WHERE id = 9", "entry 9"),
            ("DELETE FROM audit_leaves WHERE id = 9", "entry 9"),
            ("DELETE FROM audit_leaves WHERE id = (SELECT max(id) FROM audit_leaves)", "head"),
            ("UPDATE audit_leaves SET id = 1000 WHERE id = 9", "entry 9"),
            ("UPDATE audit_tiles SET hash = zeroblob(32)", "tile 0"),
            ("DELETE FROM audit_tiles", "tiles"),
            ("UPDATE audit_head SET size = size - 1", "head"),
            ("UPDATE audit_head SET last_time = last_time + 9999999999", "head"),
            ("UPDATE audit_personal SET owner_id = 1", "personal data"),
            ("UPDATE audit_head SET note = replace(note, 'tokenvault', 'tokenvaulT')", "head"),
            (
                "UPDATE audit_personal SET sealed = zeroblob(300) WHERE id = (SELECT min(id) FROM audit_personal)",
                "personal data"
            ),
            ("DELETE FROM audit_personal", "personal data"),
        ])
    func `verify names it`(_ sql: String, _ place: String) async throws {
        let test = try await log()
        let intact = try await test.vault.log.verify()
        #expect(intact.isIntact, "\(intact.findings)")
        try test.sql(sql)
        let report = try await test.vault.log.verify()
        #expect(report.findings.contains { $0.place.hasPrefix(place) }, "\(report.findings)")
    }

    @Test(.withSQL) func `two entries swapped`() async throws {
        let test = try await log()
        try test.sql(
            "UPDATE audit_leaves SET id = -1 WHERE id = 20; UPDATE audit_leaves SET id = 20 WHERE id = 21; UPDATE audit_leaves SET id = 21 WHERE id = -1"
        )
        let report = try await test.vault.log.verify()
        #expect(
            report.findings.contains { $0.place == "entry 20" }
                && report.findings.contains { $0.place == "head" })
    }

    @Test(.withSQL) func `a head that was edited stops the writer before it signs over it`() async throws {
        let test = try await log()
        try test.sql("UPDATE audit_head SET size = size - 1")
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.users.add("carol") }
    }

    @Test(.ofFiles) func `a copy is verified with the public key alone, and not with another's`() async throws
    {
        let test = try await log()
        let key = test.vault.log.verifierKey
        await test.vault.close()
        #expect(try await VaultLog.verify(at: test.path, verifierKey: key).isIntact)
        let other = try await TestVault()
        let report = try await VaultLog.verify(at: test.path, verifierKey: other.vault.log.verifierKey)
        #expect(report.findings.map(\.place) == ["head"])
    }
}
