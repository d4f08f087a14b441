import Foundation
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCustody

@Suite(.bounded, .withServer) struct `The space that a backup of a vault in PostgreSQL wants is what it takes`
{
    @Test func `old versions of rows and indexes of the server do not count`() async throws {
        let cluster = try PostgresCluster.shared.get()
        let service = try cluster.makeDatabase()
        defer { cluster.giveBack(service) }
        let directory = NSTemporaryDirectory() + "tokenvault-space-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: directory, withIntermediateDirectories: false)
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let vault = try await Vault.create(
            at: .postgres(service: service), unlockedBy: .keyFile(path: directory + "/key"), isSingle: true)
        let party = try await Party(vault)
        try await withThrowingTaskGroup { group in
            for _ in 0..<600 { group.addTask { _ = try await party.begin() } }
            try await group.waitForAll()
        }
        // Each makes every row a new version, in the table and in its indexes.
        for _ in 0..<10 { try cluster.run("UPDATE grants SET id = id, owner_id = owner_id", in: service) }
        let wanted = try vault.backups.sizeOfCopy()
        let made = try await vault.backups.make(
            BackupRequest(path: directory + "/b", keysPath: directory + "/k")
        ).byteCount
        print("a backup wants \(wanted) bytes, and takes \(made)")
        #expect(wanted >= made && wanted < made * 3 / 2)
        await vault.close()
    }
}
