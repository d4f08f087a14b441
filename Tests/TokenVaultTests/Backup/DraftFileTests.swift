import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A file that is whole is never opened for writing again` {
    @Test func `a backup whose writer was killed between its two names stays what it is`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        // On file systems that cannot rename in one step: both names are there.
        for path in [kept.data, kept.keys] { #expect(link(path, path + ".partial") == 0) }
        let before = try [kept.data, kept.keys].map(test.bytes)
        let refused = BackupRequest(path: kept.data, keysPath: kept.keys)
        await #expect(throws: VaultError(.alreadyExists, "")) { try await test.vault.backups.make(refused) }
        #expect(try [kept.data, kept.keys].map(test.bytes) == before)
        // The next that may write there: the old file goes only when the new one takes its name.
        let other = test.directory + "/kept"
        #expect(link(kept.data, other) == 0)
        try await test.backUp { $0.replaces = true }
        #expect(try test.bytes(other) == before[0])
        #expect(try test.bytes(kept.data) != before[0])
        #expect(try await Backup.verify(kept.data, keys: kept.keys, unlockedBy: test.source).isIntact)
        #expect(try test.names().allSatisfy { !$0.hasSuffix(".partial") })
    }

    @Test func `keys do not stay behind where the data got no name`() async throws {
        let test = try await TestVault()
        let (data, keys) = (test.directory + "/data", test.directory + "/keys")
        // Taken while the copy was made.
        let request = BackupRequest(path: data, keysPath: keys)
        await #expect(throws: VaultError(.alreadyExists, "")) {
            try await test.vault.backups.make(request) { share in
                if share > 0.9, access(data, F_OK) != 0 { try? test.write([1], to: data) }
            }
        }
        #expect(try test.bytes(data) == [1])
        #expect(try test.names().allSatisfy { !$0.hasPrefix("keys") && !$0.hasSuffix(".partial") })
        #expect(try await test.vault.backups.list().isEmpty)
    }

    @Test func `many at once: one has the name, and it is whole`() async throws {
        let test = try await TestVault()
        for round in 0..<10 {
            let path = test.directory + "/round-\(round)"
            let request = BackupRequest(path: path, keysPath: nil)
            let made = await withTaskGroup(of: Bool.self) { group in
                for _ in 0..<6 { group.addTask { (try? await test.vault.backups.make(request)) != nil } }
                return await group.reduce(0) { $0 + ($1 ? 1 : 0) }
            }
            #expect(made == 1)
            #expect(try await Backup.inspect(path).isWhole)
            #expect(access(path + ".partial", F_OK) != 0)
        }
    }
}
