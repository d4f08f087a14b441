import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A recovery key whose slot was removed gets no new root key` {
    @Test(.withSQL)
    func `a recovery slot that was removed and put back is refused by every rotation of the root key`()
        async throws
    {
        let test = try await TestVault()
        let (kept, file) = (KeySource.keyFile(path: test.keyFile), test.directory + "/recovery")
        let words = SecretBytes(copying: "words that nobody says")
        let slot = try await test.vault.keys.createRecoveryKey(named: "lost", file: file, passphrase: words)
        let recovery = KeySource.recoveryKey(try RecoveryKey(file: file, passphrase: words))
        try test.keep()
        let id = try #require(
            Int64(try test.sql("SELECT max(id) FROM old.keyslots")))
        try await test.vault.keys.removeSlot(named: slot.name)
        func putBack() throws {
            for table in ["keyslots", "keyslot_details"] { try test.putBack(table, where: "id = \(id)") }
        }
        func expectRefusals() async throws {
            for rotate in [
                { try await test.vault.keys.rotateRoot() },
                { try await test.vault.keys.rotateDeeply(openedBy: kept) },
            ] {
                let refusal = await #expect(throws: VaultError(.integrity, "")) { _ = try await rotate() }
                #expect(refusal?.message.contains("put back") == true, "\(refusal?.message ?? "")")
            }
            await #expect(throws: VaultError(.integrity, "")) {
                _ = try await test.vault.keys.planRootRotation(openedBy: kept)
            }
            #expect(
                try test.sql("SELECT count(*) FROM role_keys WHERE state = 2; SELECT key_epoch FROM vault")
                    == "0\n1")
        }
        try putBack()
        try await expectRefusals()
        // Nor does it get a tag of a new key for rows, nor an entry that names it again.
        await #expect(throws: VaultError(.integrity, "")) { try await test.vault.keys.rotate(.rows) }
        try await expectRefusals()
        for table in ["keyslot_details", "keyslots"] {
            try test.sql("DELETE FROM \(table) WHERE id = \(id)")
        }
        #expect(try await test.vault.keys.rotate(.rows).isResumed)
        _ = try await test.vault.keys.rotateRoot()
        _ = try await test.vault.keys.rotateDeeply(openedBy: kept)
        #expect(try await test.vault.log.verify().isIntact)
        try putBack()
        await test.vault.close()
        await #expect(throws: VaultError.self) {
            try await test.reopen(by: recovery)
        }
    }
}
