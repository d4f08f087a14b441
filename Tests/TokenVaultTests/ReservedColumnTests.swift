import Foundation
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody
import VaultStore

/// Columns that later operations set. Whatever this version does to their rows, it keeps them.
@Suite(.bounded) struct `What no operation sets yet is kept, and erased with its user` {
    private static let subject = Array(#"{"account":"alice@example","subject":"s-1"}"#.utf8)

    /// A vault with a value in each of them.
    private struct Scene {
        let test: TestVault
        let party: Party
        let connection: HeldConnection
        let tokens: IssuedTokens

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            tokens = try await party.begin()
            connection = try await test.connect(party.user)
            let (user, vault) = (party.user.id, test.vault)
            try await vault.put(
                [:], sealing: ["claims": Array(#"{"email":"alice@example"}"#.utf8)], of: user, into: .owners,
                row: user.rawValue)
            try await vault.put(
                [
                    "subject_tag": .blob([1, 2, 3]), "variables": .text(#"{"shop":"a.example"}"#),
                    "failing_since": .integer(17),
                ], sealing: ["subject": subject], of: user, into: .connections, row: connection.id.rawValue)
            try await vault.put(
                ["self_registered": .integer(1), "rotation": .text("stale-tolerant:3:1d")], into: .clients,
                row: party.client.id.rawValue)
            try await vault.put(
                ["stale_uses": .integer(2), "last_stale_at": .integer(18)], into: .grants,
                row: tokens.grant.rawValue)
        }

        /// What is not sealed, and under which key the rest is.
        func expectKept(in path: String, keyVersion: Int = 1, tag: String? = "010203") throws {
            let version = String(format: "%08X", keyVersion)
            let owner = "owners WHERE id = \(party.user.id.rawValue)"
            let place = "connections WHERE id = \(connection.id.rawValue)"
            for (column, table) in [("claims", owner), ("subject", place)] {
                #expect(try sqlite(path, "SELECT hex(substr(\(column), 5, 4)) FROM \(table)") == version)
            }
            let kept = try sqlite(path, "SELECT variables, failing_since FROM \(place)")
            #expect(kept == #"{"shop":"a.example"}|17"#)
            let found = try sqlite(path, "SELECT hex(subject_tag) FROM \(place)")
            #expect(tag.map { found == $0 } ?? (found.count == 32))
            let client = "clients WHERE id = \(party.client.id.rawValue)"
            #expect(
                try sqlite(path, "SELECT self_registered, rotation FROM \(client)") == "1|stale-tolerant:3:1d"
            )
            let grant = "grants WHERE id = \(tokens.grant.rawValue)"
            #expect(try sqlite(path, "SELECT stale_uses, last_stale_at FROM \(grant)") == "2|18")
        }
    }

    private func expectIntact(_ vault: Vault) async throws {
        let report = try await vault.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        #expect(await vault.examine().allSatisfy { $0.code == nil })
    }

    @Test(.ofFiles) func `by every change of the row`() async throws {
        let scene = try await Scene()
        let vault = scene.test.vault
        for enabled in [false, true] {
            let client = scene.party.client.clientID
            if enabled {
                try await vault.users.enable("alice")
                try await vault.clients.enable(client)
            } else {
                try await vault.users.disable("alice")
                try await vault.clients.disable(client)
            }
        }
        let tokens = try #require(await scene.party.refresh(scene.tokens.refreshToken).issued)
        // A first use changes columns that the log does not hash.
        #expect(try await vault.validate(tokens.pair.accessToken) != nil)
        _ = try await vault.revokeConnection(scene.connection.id, isKnownThere: true)
        try scene.expectKept(in: scene.test.path)
        try await expectIntact(vault)
        await vault.close()
        try scene.expectKept(in: scene.test.path)
    }

    @Test(.ofFiles) func `by every rotation of keys`() async throws {
        let scene = try await Scene()
        let (test, vault) = (scene.test, scene.test.vault)
        _ = try await vault.keys.rotate(.rows)
        try scene.expectKept(in: test.path)
        _ = try await vault.keys.rotate(.lookup)
        try scene.expectKept(in: test.path, tag: nil)
        // What does not open with the new keys alone would end it.
        _ = try await vault.keys.rotateDeeply(openedBy: test.source)
        try scene.expectKept(in: test.path, keyVersion: 2, tag: nil)
        try await expectIntact(vault)
        await vault.close()
    }

    @Test(.ofFiles) func `by backup and restore`() async throws {
        let scene = try await Scene()
        let test = scene.test
        let kept = try await test.backUp()
        _ = try await test.restore(kept, newest: .vault(path: test.path)).apply()
        try scene.expectKept(in: test.directory + "/restored")
        let restored = try await test.open()
        try await expectIntact(restored)
        _ = try await restored.keys.rotateDeeply(openedBy: test.source)
        await restored.close()
        await test.vault.close()
    }

    @Test(.ofFiles) func `until the user is erased`() async throws {
        let scene = try await Scene()
        let (test, vault) = (scene.test, scene.test.vault)
        _ = try await vault.users.erase("alice")
        let owner = "owners WHERE id = \(scene.party.user.id.rawValue)"
        #expect(
            try sqlite(test.path, "SELECT claims IS NULL, identity IS NULL FROM \(owner)") == "1|1")
        #expect(try sqlite(test.path, "SELECT count(*) FROM connections") == "0")
        try await expectIntact(vault)
        await vault.close()
    }

    @Test(.ofFiles) func `edited, each of them is noticed`() async throws {
        let scene = try await Scene()
        await scene.test.vault.close()
        let edits = [
            "owners SET claims = NULL WHERE claims IS NOT NULL",
            "owners SET claims = identity WHERE claims IS NOT NULL",
            "connections SET subject = NULL", "connections SET subject_tag = zeroblob(3)",
            "connections SET variables = NULL", "connections SET failing_since = NULL",
            "clients SET self_registered = NULL", "clients SET rotation = NULL",
            "clients SET self_registered = NULL, rotation = '1'",
            "grants SET stale_uses = NULL", "grants SET last_stale_at = 19",
            "grants SET stale_uses = last_stale_at, last_stale_at = stale_uses",
        ]
        for edit in edits {
            let copy = scene.test.directory + "/copy-\(UUID().uuidString)"
            _ = try sqlite(scene.test.path, "VACUUM INTO '\(copy)'")
            chmod(copy, 0o600)
            _ = try sqlite(copy, "UPDATE \(edit)")
            let vault = try await Vault.open(
                at: copy, unlockedBy: scene.test.source,
                configuration: VaultConfiguration.anchored(clock: scene.test.clock))
            let found = try await vault.log.verify().findings.map(\.place)
            let table = String(edit.prefix { $0 != " " })
            #expect(found.contains { $0.hasPrefix(table) }, "\(edit): \(found)")
            await vault.close()
        }
    }
}
