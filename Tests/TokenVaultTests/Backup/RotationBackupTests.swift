import Foundation
import Synchronization
import TestSupport
import Testing
import TokenKeeper
import TokenRotation
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A backup taken while keys rotate restores to a vault that can go on` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens
        let connection: ConnectionID

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            tokens = try await party.begin()
            for number in 0..<120 { _ = try await test.vault.users.add("user \(number)") }
            let provider = try await test.vault.addProvider(
                "provider", definition: "{}", credentials: Secret(copying: "secret")
            ).id
            var pair = NewTokens(accessToken: Secret(copying: "access"))
            pair.refreshToken = Secret(copying: "refresh")
            connection = try await test.vault.storeConnection(
                ConnectionGrant(provider, party.user.id, label: "", tokens: pair)
            ).id
        }

        func rotate(_ kind: String, _ vault: Vault, _ progress: @escaping KeyRotationObserver = { _ in })
            async throws -> KeyRotationReport
        {
            switch kind {
            case "root": try await vault.keys.rotateRoot(progress: progress)
            case "deep": try await vault.keys.rotateDeeply(openedBy: test.source, progress: progress)
            default:
                try await vault.keys.rotate(
                    try #require(SystemKeyKind(rawValue: kind)), progress: progress)
            }
        }

        /// Restores without a log, so that everything is as it was in the backup; finishes what was under way.
        ///
        /// - Returns: whether something was under way.
        func check(_ kept: TestVault.Kept, _ kind: String, _ name: String) async throws -> Bool {
            let verification = try await Backup.verify(kept.data, keys: kept.keys, unlockedBy: test.source)
            #expect(verification.isIntact, "\(name): \(verification.report.findings)")
            var restore = test.restore(kept, to: name)
            restore.keepsGrants = true
            _ = try await restore.apply()
            let vault = try await test.open(name)
            #expect(try await vault.validate(tokens.pair.accessToken) != nil, "\(name)")
            #expect(try await vault.users.find("user 117").name == "user 117", "\(name)")
            let report = try await rotate(kind, vault)
            let next = try #require(await party.refresh(tokens.refreshToken, in: vault).issued, "\(name)")
            #expect(try await vault.validate(next.pair.accessToken) != nil, "\(name)")
            #expect(try await vault.heldConnection(connection).connection.reason == "restored-uncertain")
            #expect(try await vault.users.find("user 117").name == "user 117", "\(name)")
            let audit = try await vault.log.verify()
            #expect(audit.isIntact, "\(name): \(audit.findings)")
            await vault.close()
            let path = test.directory + "/" + name
            for table in ["jobs", "role_keys WHERE state = 2", "owner_keys WHERE previous_version > 0"] {
                #expect(try sqlite(path, "SELECT count(*) FROM \(table)") == "0", "\(name): \(table)")
            }
            await (try test.open(name)).close()
            return report.isResumed
        }
    }

    @Test(arguments: ["root", "rows", "lookup", "deep"])
    func `each time it was cut off further on`(_ kind: String) async throws {
        let scene = try await Scene()
        var kept: [TestVault.Kept] = []
        for cut in [1, 1, 1, 1, 1, 3, 5, 8] {
            let calls = Atomic<Int>(0)
            let rotation = Task {
                try await scene.rotate(kind, scene.test.vault) { _ in
                    guard calls.wrappingAdd(1, ordering: .relaxed).newValue == cut else { return }
                    withUnsafeCurrentTask { $0?.cancel() }
                }
            }
            // Where it was faster than the cut, this is a backup of the vault afterwards.
            _ = try? await rotation.value
            kept.append(try await scene.test.backUp("cut-\(kept.count)"))
        }
        await scene.test.vault.close()
        var underWay = 0
        for (index, kept) in kept.enumerated() where try await scene.check(kept, kind, "restored-\(index)") {
            underWay += 1
        }
        #expect(underWay > 1, "only \(underWay) of the backups met the rotation")
    }

    @Test(arguments: ["root", "deep"])
    func `in the middle of one that nobody stops`(_ kind: String) async throws {
        let scene = try await Scene()
        let other = try await scene.test.reopen()
        let isDone = Flag()
        let rotation = Task {
            defer { isDone.set() }
            _ = try await scene.rotate(kind, other)
        }
        var kept: [TestVault.Kept] = []
        // By a process that opened the vault before, and has to pick the keys up.
        while !isDone.isSet || kept.isEmpty, kept.count < 40 {
            kept.append(try await scene.test.backUp("during-\(kept.count)"))
        }
        try await rotation.value
        await other.close()
        await scene.test.vault.close()
        for index in Set([0, kept.count / 3, kept.count / 2, kept.count - 1]) {
            _ = try await scene.check(kept[index], kind, "restored-\(index)")
        }
    }
}
