import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenKeeper
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A restore never revives an erased user` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let connection: ConnectionID
        let kept: TestVault.Kept
        /// As it lies in the backup: who has it, and the root key, opens everything of the user.
        let wrappedKey: Data
    }

    private func scene() async throws -> Scene {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        try await test.vault.users.setPassword(SecretBytes(copying: "correct horse battery"), of: "alice")
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: try #require(ScopeSet(parsing: "basic")))
        let provider = try await test.vault.addProvider(
            "provider", definition: "{}", credentials: Secret(copying: "secret")
        ).id
        var pair = NewTokens(accessToken: Secret(copying: "access"))
        pair.refreshToken = Secret(copying: "refresh")
        let held = try await test.vault.storeConnection(
            ConnectionGrant(provider, party.user.id, label: "", tokens: pair))
        let kept = try await test.backUp()
        let hex = try sqlite(
            test.path,
            "SELECT hex(wrapped) FROM owner_keys WHERE owner_id = \(party.user.id.rawValue) AND role = 1")
        let wrappedKey = Data(try #require(Hex.decode(hex.lowercased())))
        try #require(wrappedKey.count > 64)
        return Scene(
            test: test, party: party, tokens: tokens, connection: held.id, kept: kept, wrappedKey: wrappedKey)
    }

    private func expectErased(_ scene: Scene, _ name: String) async throws {
        let path = scene.test.directory + "/" + name
        let id = scene.party.user.id.rawValue
        let row = try sqlite(
            path,
            """
            SELECT state, identity IS NULL, lookup_tag IS NULL, pseudonym IS NULL
            FROM owners WHERE id = \(id)
            """)
        #expect(row == "3|1|1|1")
        for table in ["passwords WHERE id", "connections WHERE owner_id", "owner_keys WHERE owner_id"] {
            #expect(try sqlite(path, "SELECT count(*) FROM \(table) = \(id)") == "0", "\(table)")
        }
        #expect(try Data(scene.test.bytes(path)).range(of: scene.wrappedKey) == nil, "not even in free pages")
        let vault = try await scene.test.open(name)
        await #expect(throws: VaultError(.notFound, "")) { try await vault.users.find("alice") }
        #expect(
            try await vault.users.signIn("alice", password: SecretBytes(copying: "correct horse battery"))
                == nil)
        #expect(try await scene.party.refresh(scene.tokens.refreshToken, in: vault).refusal != nil)
        #expect(try await vault.validate(scene.tokens.pair.accessToken) == nil)
        await #expect(throws: VaultError(.notFound, "")) { try await vault.heldConnection(scene.connection) }
        #expect(
            try await vault.consents.find(ofUser: scene.party.user.id, toClient: scene.party.client.id) == nil
        )
        let entries = try await vault.log.entries(limit: 1000)
        #expect(entries.contains { $0.operation == "user.erase" && $0.reason == "restored" })
        let report = try await vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        // Whoever comes back under the name is somebody else.
        #expect(try await vault.users.add("alice").id != scene.party.user.id)
        await vault.close()
    }

    @Test(.ofFiles, arguments: [false, true])
    func `key, name and lookup tag are gone again, and what was sealed under the key`(isRemovedFirst: Bool)
        async throws
    {
        let scene = try await scene()
        if isRemovedFirst { try await scene.test.vault.users.remove("alice") }
        _ = try await scene.test.vault.users.erase("alice")
        let restore = scene.test.restore(scene.kept, newest: .vault(path: scene.test.path))
        #expect(try await restore.plan().moved("user", "client").map(\.becomes) == [.erased])
        _ = try await restore.apply()
        try await expectErased(scene, "restored")
    }

    @Test(.ofFiles) func `nor does the restore after it, which knows only the log of the first`() async throws
    {
        let scene = try await scene()
        _ = try await scene.test.vault.users.erase("alice")
        _ = try await scene.test.restore(scene.kept, newest: .vault(path: scene.test.path)).apply()
        let first = scene.test.directory + "/restored"
        let again = scene.test.restore(scene.kept, to: "again", newest: .vault(path: first))
        let plan = try await again.plan()
        #expect(plan.moved("user", "client").map(\.becomes) == [.erased] && plan.incarnation == 3)
        _ = try await again.apply()
        try await expectErased(scene, "again")
    }

    @Test(.ofFiles) func `what a restore decided about others, the next decides too`() async throws {
        let test = try await TestVault()
        for name in ["kept", "disabled", "removed", "revoked", "enabled"] {
            _ = try await test.vault.users.add(name)
        }
        try await test.vault.users.disable("enabled")
        let party = try await Party(test.vault)
        let kept = try await test.backUp()
        try await test.vault.users.disable("disabled")
        try await test.vault.users.enable("enabled")
        try await test.vault.users.remove("removed")
        try await test.vault.users.revokeGrants(of: "revoked")
        try await test.vault.clients.remove("app")
        _ = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        let log = NewestLog.vault(path: test.directory + "/restored")
        let plans = [
            try await test.restore(kept, to: "second", newest: .vault(path: test.path)).plan(),
            try await test.restore(kept, to: "second", newest: log).plan(),
        ]
        for plan in plans {
            #expect(
                plan.moved("user", "client").map(\.becomes) == [
                    .disabled, .removed, .disabled, .disabled, .removed,
                ])
        }
        _ = try await test.restore(kept, to: "second", newest: log).apply()
        let vault = try await test.open("second")
        #expect(try await vault.users.find("disabled").state == .disabled)
        #expect(try await vault.users.find("kept").state == .active)
        #expect(
            try await vault.users.find("enabled").state == .disabled,
            "whatever became of it, an operator looks")
        await #expect(throws: VaultError(.notFound, "")) { try await vault.users.find("removed") }
        await #expect(throws: VaultError(.notFound, "")) {
            try await vault.clients.find(party.client.clientID)
        }
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }
}
