import Foundation
import SQLiteStore
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCustody
import VaultStore

/// What moving a vault to another store rests on.
@Suite(.bounded) struct `All rows of a vault can be copied` {
    @Test(.ofFiles) func `the copy is the vault, with its log and its keys`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        for number in 0..<300 { _ = try await test.vault.users.add("user \(number)") }
        let copy = test.directory + "/copy"
        let head = try await test.vault.read { try LogHead.read($0) }
        let rows = try test.vault.store.withOwnReader { database in
            var rows: Int64 = 0
            var shares: [Double] = []
            try SQLiteStore.create(at: copy, at: test.clock.now()) { transaction in
                rows = try RowCopy(SchemaLedger()).run(from: database, to: transaction) { shares.append($0) }
            }
            #expect(shares == shares.sorted() && shares.last == 1)
            return rows
        }
        #expect(rows > 900)
        // Byte for byte, whatever the pages are.
        var (one, other) = (try PlainSQLite.dump(test.path), try PlainSQLite.dump(copy))
        // When each was made is its own.
        one["schema_migrations"] = nil
        other["schema_migrations"] = nil
        #expect(one == other)

        let vault = try await Vault.open(
            at: copy, unlockedBy: .keyFile(path: test.keyFile), configuration: .anchored(clock: test.clock))
        #expect(try await vault.read { try LogHead.read($0).extends(head, in: $0) })
        #expect(try await party.refresh(tokens.refreshToken, in: vault).issued != nil)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test(.ofFiles) func `a copy that fails leaves nothing`() async throws {
        let test = try await TestVault()
        let copy = test.directory + "/copy"
        struct Enough: Error {}
        #expect(throws: VaultError.self) {
            try test.vault.store.withOwnReader { database in
                try SQLiteStore.create(at: copy, at: test.clock.now()) { transaction in
                    _ = try RowCopy(SchemaLedger()).run(from: database, to: transaction) {
                        if $0 > 0.5 { throw Enough() }
                    }
                }
            }
        }
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: test.directory).filter {
                $0.hasPrefix("copy")
            }
            .allSatisfy { $0 == "copy.lock" })
    }

    @Test(.ofFiles) func `files are not moved to files`() async throws {
        let test = try await TestVault()
        let move = VaultMove(
            from: .file(test.path), to: .file(test.directory + "/other"),
            unlockedBy: .keyFile(path: test.keyFile))
        await #expect(throws: VaultError(.invalidInput, "")) { try await move.run() }
    }
}
