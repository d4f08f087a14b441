import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCustody

@Suite(.bounded) struct `Nothing is restored against a vault that is served, by whatever name` {
    enum Name: CaseIterable, Sendable { case link, relativeLink, linkToLink, linkedDirectory, movedAway }

    @Test(.ofFiles, arguments: Name.allCases)
    func `the newest log is that vault's`(_ name: Name) async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        try await test.vault.beginServing()
        let other = test.directory + "/other"
        var (newest, target) = (other, "new")
        switch name {
        case .link: #expect(symlink(test.path, other) == 0)
        case .relativeLink: #expect(symlink("vault", other) == 0)
        case .linkToLink: #expect(symlink(test.path, other + "1") == 0 && symlink("other1", other) == 0)
        case .linkedDirectory:
            #expect(symlink(".", other) == 0)
            newest = other + "/vault"
        case .movedAway:
            // The service goes on with it, and holds the lock beside the place of the new vault.
            for suffix in ["", "-wal", "-shm"] {
                #expect(rename(test.path + suffix, other + suffix) == 0)
            }
            target = "vault"
        }
        let restore = test.restore(kept, to: target, newest: .vault(path: newest))
        await #expect(throws: VaultError(.busy, "")) { try await restore.apply() }
        _ = try await restore.plan()
        await test.vault.close()
    }

    @Test func `a link that leads nowhere is no log, one to exported tiles is one`() async throws {
        let test = try await TestVault()
        let link = test.directory + "/link"
        #expect(symlink(test.directory + "/tiles", link) == 0)
        #expect(throws: VaultError(.notFound, "")) { try NewestLog.found(at: link) }
        _ = try await test.vault.log.exportTiles(to: test.directory + "/tiles")
        guard case .tiles = try NewestLog.found(at: link) else {
            Issue.record("not taken for tiles")
            return
        }
        await test.vault.close()
    }
}
