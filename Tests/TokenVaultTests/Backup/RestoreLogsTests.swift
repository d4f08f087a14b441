import Foundation
import TestSupport
import Testing
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded, .ofFiles) struct `A restore reads every log that an export or a pruning makes` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let kept: TestVault.Kept
        let moved: IssuedTokens
        let still: IssuedTokens
        var vault: Vault { test.vault }

        /// - Parameter before: users that were added before the backup, so that its log is so long.
        init(before: Int = 0) async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            (moved, still) = (try await party.begin(), try await party.begin())
            for number in 0..<before { _ = try await test.vault.users.add("before \(number)") }
            kept = try await test.backUp()
        }

        func grow(_ count: Int) async throws {
            for _ in 0..<count { _ = try await vault.users.add(UUID().uuidString) }
        }

        func expect(_ source: NewestLog, lost: Int, _ comment: Comment? = nil) async throws {
            let plan = try await test.restore(kept, newest: source).plan()
            #expect(plan.moved("grant").map(\.id) == [moved.grant.rawValue], comment)
            #expect(plan.keptGrants == 1 && plan.lost("user", "client").count == lost, comment)
            #expect(
                plan.moved.allSatisfy { $0.kind == "grant" || $0.becomes == .lost }, comment)
        }
    }

    @Test(arguments: [10, 300, 600])
    func `tiles of the exporter, written at once and in steps`(_ count: Int) async throws {
        let scene = try await Scene()
        let (once, steps) = (scene.test.directory + "/once", scene.test.directory + "/steps")
        _ = try await scene.party.refresh(scene.moved.refreshToken)
        for part in 1...3 {
            try await scene.grow(count / 3 + part % 2)
            _ = try await scene.vault.log.exportTiles(to: steps)
        }
        _ = try await scene.vault.log.exportTiles(to: once)
        let lost = 3 * (count / 3) + 2
        for directory in [once, steps] {
            try await scene.expect(.found(at: directory), lost: lost, "\(directory)")
        }
        // An entry bundle gone, or another one in its place.
        let bundles = once + "/tile/entries"
        let last = try #require(
            FileManager.default.subpaths(atPath: bundles)?.filter { $0.contains(".p/") }.first)
        let bytes = try scene.test.bytes(bundles + "/" + last)
        for wrong in [bytes.dropLast(), bytes + [0], [0, 1, 65] + bytes.dropFirst(3), []] {
            try scene.test.write(Array(wrong), to: bundles + "/" + last)
            await #expect(throws: VaultError(.integrity, "")) {
                try await scene.test.restore(scene.kept, newest: .tiles(directory: once)).plan()
            }
        }
        unlink(bundles + "/" + last)
        let missing = await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.restore(scene.kept, newest: .tiles(directory: once)).apply()
        }
        #expect(missing?.message.contains("is missing") == true)
        #expect(try !scene.test.names().contains { $0.hasPrefix("restored") })
    }

    @Test(.ofFiles) func `a log pruned up to the backup: what was named anew did not move on`() async throws {
        let scene = try await Scene(before: 300)
        _ = try await scene.party.refresh(scene.moved.refreshToken)
        try await scene.grow(300)
        let size = try await Backup.inspect(scene.kept.data).facts.logSize
        let plan = try await scene.vault.log.planPrune(
            keeping: .newest(try await scene.vault.auditSize() - size))
        let first = try await scene.vault.log.prune(plan)
        #expect(first == 256 && first <= size)
        let tiles = scene.test.directory + "/tiles"
        #expect(try await scene.vault.log.exportTiles(to: tiles).firstKept == first)
        let checkpoint = scene.test.directory + "/checkpoint"
        let lines = scene.test.directory + "/lines"
        try await scene.test.write(Array(scene.vault.log.checkpoint().utf8), to: checkpoint)
        let leaves = try await scene.vault.log.leaves(from: first, limit: .max).map(\.leaf)
        try scene.test.write(leaves.flatMap { $0 + [10] }, to: lines)
        for source in [
            .vault(path: scene.test.path), try NewestLog.found(at: tiles),
            try .found(at: lines, checkpoint: checkpoint),
        ] {
            try await scene.expect(source, lost: 300, "\(source)")
        }
        _ = try await scene.test.restore(scene.kept, newest: .vault(path: scene.test.path)).apply()
        let vault = try await scene.test.open()
        #expect(try await scene.party.refresh(scene.still.refreshToken, in: vault).issued != nil)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test func `a log pruned past the backup is refused; older tiles, or its checkpoint, do`() async throws {
        let scene = try await Scene()
        let older = scene.test.directory + "/older"
        _ = try await scene.party.refresh(scene.moved.refreshToken)
        try await scene.grow(600)
        _ = try await scene.vault.log.exportTiles(to: older)
        _ = try await scene.vault.log.prune(scene.vault.log.planPrune(keeping: .newest(10)))
        let fresh = scene.test.directory + "/fresh"
        _ = try await scene.vault.log.exportTiles(to: fresh)
        let checkpoint = scene.test.directory + "/checkpoint"
        try await scene.test.write(Array(scene.vault.log.checkpoint().utf8), to: checkpoint)
        for source in [NewestLog.vault(path: scene.test.path), .tiles(directory: fresh)] {
            let refusal = await #expect(throws: VaultError(.integrity, "")) {
                try await scene.test.restore(scene.kept, newest: source).apply()
            }
            #expect(refusal?.message.contains("was pruned") == true, "\(refusal as Any)")
            #expect(refusal?.remedy.contains("checkpoint alone") == true)
            #expect(try !scene.test.names().contains { $0.hasPrefix("restored") })
        }
        // The directory that was exported to before keeps what was pruned.
        _ = try await scene.vault.log.exportTiles(to: older)
        try await scene.expect(.tiles(directory: older), lost: 600)
        let plan = try await scene.test.restore(scene.kept, newest: .checkpoint(path: checkpoint)).plan()
        #expect(plan.revokedGrants == 2 && plan.newest?.hasEntries == false)
    }

    @Test func `two restores of one backup are two logs, of which neither passes for the other`() async throws
    {
        let scene = try await Scene()
        await scene.vault.close()
        let anchor = scene.test.directory + "/anchor"
        let first = try await scene.test.restore(scene.kept, to: "first").apply()
        let second = try await scene.test.restore(scene.kept, to: "second").apply()
        #expect(first.plan.incarnation == 2 && second.plan.incarnation == 2)
        #expect(first.logOrigin != second.logOrigin && first.logVerifierKey != second.logVerifierKey)
        let pattern = "^tokenvault/\(scene.vault.id)/2-[0-9a-f]{10}$"
        for outcome in [first, second] {
            #expect(outcome.logOrigin.range(of: pattern, options: .regularExpression) != nil)
        }
        let vault = try await scene.test.open("first")
        _ = try await vault.anchors.add(.file, target: anchor)
        await vault.close()
        let other = try await scene.test.open("second")
        let told = try await other.anchors.add(.file, target: scene.test.directory + "/other")
        #expect(told.trouble == nil)
        await other.close()
        let note = try scene.test.bytes(anchor)
        try FileManager.default.removeItem(atPath: scene.test.directory + "/other")
        try scene.test.write(note, to: scene.test.directory + "/other")
        let refusal = await #expect(throws: VaultError(.integrity, "")) {
            try await scene.test.open("second")
        }
        #expect(refusal?.message.contains("another history") == true, "\(refusal as Any)")
        await (try scene.test.open("first")).close()
        // A third life says of both that they are before it, or beside it.
        let third = try await scene.test.restore(
            scene.kept, to: "third", newest: .vault(path: scene.test.directory + "/first")
        ).apply()
        #expect(third.plan.incarnation == 3 && third.logOrigin.contains("/3-"))
    }
}
