import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `A recovery key whose slot was removed gets no new root key` {
    private func replay(_ table: String, _ id: Int64, of old: String, in test: TestVault) throws {
        _ = try sqlite(
            test.path,
            "ATTACH '\(old)' AS old; REPLACE INTO main.\(table) SELECT * FROM old.\(table) WHERE id = \(id)")
    }

    private func copy(_ test: TestVault) throws -> String {
        _ = try sqlite(test.path, "VACUUM INTO '\(test.directory)/old'")
        return test.directory + "/old"
    }

    @Test func `a recovery slot that was removed and put back is refused by every rotation of the root key`()
        async throws
    {
        let test = try await TestVault()
        let (kept, file) = (KeySource.keyFile(path: test.keyFile), test.directory + "/recovery")
        let words = SecretBytes(copying: "words that nobody says")
        let slot = try await test.vault.createRecoveryKey(named: "lost", file: file, passphrase: words)
        let recovery = KeySource.recoveryKey(try RecoveryKey(file: file, passphrase: words))
        let old = try copy(test)
        let id = try #require(
            Int64(try sqlite(test.path, "ATTACH '\(old)' AS old; SELECT max(id) FROM old.keyslots")))
        try await test.vault.removeKeyslot(named: slot.name)
        func putBack() throws {
            for table in ["keyslots", "keyslot_details"] { try replay(table, id, of: old, in: test) }
        }
        func expectRefusals() async throws {
            for rotate in [
                { try await test.vault.rotateRootKey() },
                { try await test.vault.rotateDeeply(openedBy: kept) },
            ] {
                let refusal = await #expect(throws: VaultError(.integrity, "")) { _ = try await rotate() }
                #expect(refusal?.message.contains("lost") == true, "\(refusal?.message ?? "")")
            }
            await #expect(throws: VaultError(.integrity, "")) {
                _ = try await test.vault.planRootRotation(openedBy: kept)
            }
            #expect(try test.vault.keyInventory().allSatisfy { $0.state != "retired" })
        }
        try putBack()
        try await expectRefusals()
        // The key that tags rows makes no difference: the row keeps the entry that it names.
        _ = try await test.vault.rotateSystemKey(.rows)
        try await expectRefusals()
        // Nor does an entry that no longer says that the slot was removed.
        let removal = try #require(
            Int64(
                try sqlite(
                    test.path,
                    "SELECT max(id) FROM audit_leaves WHERE CAST(bytes AS TEXT) LIKE '%keyslot.remove%'")))
        let entry = try sqlite(test.path, "SELECT hex(bytes) FROM audit_leaves WHERE id = \(removal)")
        let altered = """
            UPDATE audit_leaves SET bytes = CAST(replace(CAST(bytes AS TEXT), ',\(id),', ',\(id + 9),') AS BLOB)
            WHERE id = \(removal)
            """
        _ = try sqlite(test.path, altered)
        #expect(try sqlite(test.path, "SELECT hex(bytes) FROM audit_leaves WHERE id = \(removal)") != entry)
        let unproven = await #expect(throws: VaultError(.integrity, "")) {
            try await test.vault.rotateRootKey()
        }
        #expect(unproven?.message.contains("root") == true)
        _ = try sqlite(test.path, "UPDATE audit_leaves SET bytes = x'\(entry)' WHERE id = \(removal)")
        try await test.vault.removeKeyslot(named: "lost")
        _ = try await test.vault.rotateRootKey()
        _ = try await test.vault.rotateDeeply(openedBy: kept)
        #expect(try await test.vault.verifyAudit().isIntact)
        try putBack()
        await test.vault.close()
        await #expect(throws: VaultError.self) {
            try await Vault.open(
                at: test.path, unlockedBy: recovery, options: VaultOptions(clock: test.clock))
        }
    }
}
