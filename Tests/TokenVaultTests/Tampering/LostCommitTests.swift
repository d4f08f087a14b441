import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// An older copy of a vault is genuine. A process that knows more of the log finds that out, though others wrote to the copy
/// until it was longer than what the process knew.
@Suite(.bounded) struct `P7: a process does not go on with a log that lacks what it committed` {
    private struct Scene {
        let test: TestVault
        let party: Party
        let tokens: IssuedTokens

        /// A copy is kept, and then something is committed.
        init(entries: Int = 1) async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            tokens = try await party.begin()
            try test.keep()
            for number in 0..<entries { _ = try await test.vault.users.add("new \(number)") }
        }

        /// The tables of the file become those of the copy; the process has it open all the while.
        func setBack() throws { try test.setBack() }

        /// As another process does it, which knows of nothing.
        func elsewhere(_ entries: Int) async throws {
            let other = try await test.reopen()
            let size = try await other.auditSize()
            do {
                for number in 0..<entries { _ = try await other.users.add("other \(size + Int64(number))") }
            } catch {
                await other.close()
                throw error
            }
            await other.close()
        }

        func expectEnd() async throws {
            let vault = test.vault
            await #expect(throws: VaultError(.integrity, "")) { try await vault.proveWritePath() }
            // Nothing is read either, and that stays.
            await #expect(throws: VaultError(.integrity, "")) {
                try await vault.validate(tokens.pair.accessToken)
            }
            await #expect(throws: VaultError(.integrity, "")) { try await vault.users.add("carol") }
            await #expect(throws: VaultError(.integrity, "")) { try await vault.users.list() }
            #expect(vault.end?.message.contains("this process committed") == true)
        }
    }

    @Test(.withSQL) func `a log that is shorter`() async throws {
        let scene = try await Scene()
        try scene.setBack()
        try await scene.expectEnd()
    }

    // Around the width of a tile, where the log is read in another way.
    @Test(.withSQL, arguments: [1, 2, 260, 700])
    func `a log that others made as long, or longer`(_ more: Int) async throws {
        let scene = try await Scene(entries: more % 7 + 1)
        let size = try await scene.test.vault.auditSize()
        try scene.setBack()
        try await scene.elsewhere(more + 7)
        #expect(try await scene.test.vault.read { try LogHead.read($0).size } >= size)
        try await scene.expectEnd()
    }

    @Test(.withSQL) func `the service ends with the error`() async throws {
        let scene = try await Scene()
        let service = try await VaultService(scene.test.vault)
        try scene.setBack()
        try await scene.elsewhere(3)
        await #expect(throws: VaultError(.integrity, "")) { try await service.run() }
    }

    @Test(.withSQL, arguments: [1, 255, 256, 300, 900])
    func `what others add is gone on with`(_ more: Int) async throws {
        let scene = try await Scene(entries: more % 5)
        try await scene.elsewhere(more)
        try await scene.test.vault.proveWritePath()
        try await scene.elsewhere(more % 11)
        #expect(try await scene.party.refresh(scene.tokens.refreshToken).issued != nil)
        #expect(try await scene.test.vault.log.verify().isIntact)
    }

    // The leaves of the tile in which the known log ended are gone then.
    @Test(.withSQL) func `so is a log that another process pruned`() async throws {
        let scene = try await Scene()
        try await scene.elsewhere(600)
        let other = try await scene.test.reopen()
        let plan = try await other.log.planPrune(keeping: .newest(10))
        #expect(try await other.log.prune(plan) >= 512)
        await other.close()
        try await scene.test.vault.proveWritePath()
        #expect(try await scene.party.refresh(scene.tokens.refreshToken).issued != nil)
    }

    @Test(.withSQL) func `leaves that are gone, and that no entry says were pruned, are missed`() async throws
    {
        let scene = try await Scene()
        try await scene.elsewhere(600)
        try scene.test.sql("DELETE FROM audit_leaves WHERE id < 512")
        try await scene.expectEnd()
    }
}
