import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A restore without a newer log trusts nothing, and one with it no more than it proves`
{
    private struct Scene {
        let test: TestVault
        let party: Party
        let kept: TestVault.Kept
        let old: IssuedTokens
        let other: IssuedTokens
    }

    private func scene() async throws -> Scene {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let (old, other) = (try await party.begin(), try await party.begin())
        return Scene(test: test, party: party, kept: try await test.backUp(), old: old, other: other)
    }

    @Test func `without a log every grant is revoked`() async throws {
        let scene = try await scene()
        let plan = try await scene.test.restore(scene.kept).plan()
        #expect(plan.revokedGrants == 2 && plan.keptGrants == 0 && plan.newest == nil && !plan.notes.isEmpty)
        _ = try await scene.test.restore(scene.kept).apply()
        let vault = try await scene.test.open()
        for tokens in [scene.old, scene.other] {
            #expect(try await scene.party.refresh(tokens.refreshToken, in: vault).refusal == .grantRevoked)
            #expect(try await vault.validate(tokens.pair.accessToken) == nil)
        }
        // Whoever is told to sign in again, and does, is served.
        let code = try await vault.authorize(
            Authorization(
                client: scene.party.client.clientID, user: "alice",
                scope: try #require(ScopeSet(parsing: "basic")), redirectURI: Party.redirectURI)
        ).code
        let issued = try #require(await scene.party.redeem(code, in: vault).issued)
        #expect(issued.grant.rawValue > 1 << 32, "a number that was never given out")
        await vault.close()
    }

    @Test func `grants that are kept unseen: a younger token is 503, never invalid_grant`() async throws {
        let scene = try await scene()
        let newest = try #require(await scene.party.refresh(scene.old.refreshToken).issued)
        var restore = scene.test.restore(scene.kept)
        restore.keepsGrants = true
        _ = try await restore.apply()
        let vault = try await scene.test.open()
        guard case .databaseIsBehind = try await scene.party.refresh(newest.refreshToken, in: vault) else {
            Issue.record("the younger token was not told from others")
            return
        }
        #expect(try await scene.party.refresh(scene.other.refreshToken, in: vault).issued != nil)
        await vault.close()
    }

    @Test(.ofFiles) func `a grant that the log names is invalid_grant to every token of it`() async throws {
        let scene = try await scene()
        let newest = try #require(await scene.party.refresh(scene.old.refreshToken).issued)
        _ = try await scene.test.restore(scene.kept, newest: .vault(path: scene.test.path)).apply()
        let vault = try await scene.test.open()
        for tokens in [newest, scene.old] {
            #expect(try await scene.party.refresh(tokens.refreshToken, in: vault).refusal == .grantRevoked)
        }
        #expect(try await scene.party.refresh(scene.other.refreshToken, in: vault).issued != nil)
        await vault.close()
    }

    @Test(.ofFiles) func `a checkpoint of the backup keeps all, one of a longer log none`() async throws {
        let scene = try await scene()
        let path = scene.test.directory + "/checkpoint"
        let facts = try await Backup.inspect(scene.kept.data).facts
        try scene.test.write(Array(facts.checkpoint.utf8), to: path)
        let same = try await scene.test.restore(scene.kept, newest: .checkpoint(path: path)).plan()
        #expect(same.keptGrants == 2 && same.revokedGrants == 0 && same.newest?.entriesSince == 0)
        try await scene.test.write(Array(scene.test.vault.log.checkpoint().utf8), to: path)
        let longer = try await scene.test.restore(scene.kept, newest: .found(at: path)).plan()
        #expect(longer.keptGrants == 0 && longer.revokedGrants == 2 && longer.newest?.hasEntries == false)
        // And a log that ends before it was cut.
        var change = scene.test.restore(scene.kept, newest: .vault(path: try await copy(scene, "cut")))
        _ = try await scene.party.refresh(scene.old.refreshToken)
        try await scene.test.write(Array(scene.test.vault.log.checkpoint().utf8), to: path)
        change.checkpoint = path
        let cut = change
        await #expect(throws: VaultError(.integrity, "")) { try await cut.plan() }
    }

    @Test(.ofFiles) func `entries as lines and as tiles say the same as the vault itself`() async throws {
        let scene = try await scene()
        for _ in 0..<300 { _ = try await scene.test.vault.users.add(UUID().uuidString) }
        _ = try await scene.party.refresh(scene.old.refreshToken)
        let checkpoint = scene.test.directory + "/checkpoint"
        try await scene.test.write(Array(scene.test.vault.log.checkpoint().utf8), to: checkpoint)
        let leaves = try await scene.test.vault.log.leaves(limit: .max).map(\.leaf)
        let lines = scene.test.directory + "/lines"
        try scene.test.write(leaves.flatMap { $0 + [10] }, to: lines)
        let tiles = scene.test.directory + "/tiles"
        for start in stride(from: 0, to: leaves.count, by: 256) {
            let bundle = leaves[start..<min(start + 256, leaves.count)]
            let name = "00\(start / 256)" + (bundle.count == 256 ? "" : ".p/\(bundle.count)")
            let path = tiles + "/tile/entries/" + name
            try FileManager.default.createDirectory(
                atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
            try scene.test.write(
                bundle.flatMap { [UInt8($0.count >> 8), UInt8($0.count & 255)] + $0 }, to: path)
        }
        try await scene.test.write(Array(scene.test.vault.log.checkpoint().utf8), to: tiles + "/checkpoint")
        let sources: [NewestLog] = [
            .vault(path: scene.test.path), try .found(at: tiles),
            try .found(at: lines, checkpoint: checkpoint),
        ]
        for source in sources {
            let plan = try await scene.test.restore(scene.kept, newest: source).plan()
            #expect(plan.moved("grant").map(\.id) == [scene.old.grant.rawValue])
            #expect(plan.lost("user", "client").count == 300)
        }
        #expect(throws: VaultError(.invalidInput, "")) { try NewestLog.found(at: lines) }
        // One entry left out, or changed.
        try scene.test.write(leaves.dropLast(2).flatMap { $0 + [10] } + (leaves.last ?? []) + [10], to: lines)
        await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.restore(
                scene.kept, newest: .entries(path: lines, checkpoint: checkpoint)
            ).plan()
        }
    }

    @Test(.ofFiles) func `a log that proves nothing is refused: cut, edited, another vault's, older`()
        async throws
    {
        let scene = try await scene()
        _ = try await scene.party.refresh(scene.old.refreshToken)
        let foreign = try await TestVault()
        let edits = [
            "DELETE FROM audit_leaves WHERE id = (SELECT max(id) FROM audit_leaves)",
            "UPDATE audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), 'token.refresh', 'token.refrash') AS BLOB)",
            "UPDATE audit_head SET note = replace(note, '— ', '— x')",
            "DELETE FROM audit_head",
        ]
        for (index, edit) in edits.enumerated() {
            let path = try await copy(scene, "edited-\(index)")
            _ = try sqlite(path, edit)
            await #expect(throws: VaultError(.integrity, ""), "\(edit)") {
                try await scene.test.restore(scene.kept, newest: .vault(path: path)).plan()
            }
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await scene.test.restore(scene.kept, newest: .vault(path: foreign.path)).plan()
        }
        let older = try await copy(scene, "older")
        let later = try await scene.test.backUp("later")
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await scene.test.restore(later, newest: .vault(path: older)).plan()
        }
    }

    private func copy(_ scene: Scene, _ name: String) async throws -> String {
        let path = scene.test.directory + "/" + name
        _ = try sqlite(scene.test.path, "VACUUM INTO '\(path)'")
        chmod(path, 0o600)
        return path
    }
}
