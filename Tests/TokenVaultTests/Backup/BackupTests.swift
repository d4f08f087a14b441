import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `A backup is whole, sealed, and taken while the vault works` {
    @Test func `it verifies, says what it is, and is closed to others`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        _ = try await party.begin()
        let kept = try await test.backUp { $0.keepUntil = test.clock.now().advanced(by: .seconds(86400)) }
        for path in [kept.data, kept.keys] { #expect(FileFacts(at: path)?.permissions == 0o600) }
        let inspection = try await Backup.inspect(kept.data)
        #expect(inspection.isWhole)
        #expect(inspection.facts.vault == test.vault.id)
        #expect(inspection.facts.fileBytes == Int64(FileFacts(at: kept.data)?.size ?? 0))
        #expect(try Backup.inspectKeys(kept.keys).slots.count == 1)
        let verification = try await Backup.verify(kept.data, keys: kept.keys, unlockedBy: test.source)
        #expect(verification.isIntact, "\(verification.report.findings)")
        #expect(verification.report.size == inspection.facts.logSize)
        let listed = try await test.vault.backups.list()
        #expect(
            listed.count == 1 && listed[0].keepUntil != nil && listed[0].logSize == inspection.facts.logSize)
        #expect(listed[0].backup == inspection.facts.backup)
        let log = try await test.vault.log.entries(limit: 1000).filter { $0.operation == "backup.create" }
        #expect(log.map(\.reason) == ["begun", nil])
        #expect(try await test.vault.log.verify().isIntact)
        #expect(try test.names().allSatisfy { !$0.hasSuffix(".partial") && !$0.contains("snapshot") })
    }

    @Test func `nothing of the database is readable in it, and no key`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault, user: "planted-user-name")
        let tokens = try await party.begin()
        let kept = try await test.backUp()
        let key = try Data(test.bytes(test.keyFile))
        for path in [kept.data, kept.keys] {
            let bytes = try Data(test.bytes(path))
            var planted = tokens.text + [Array("planted-user-name".utf8), Array("readmeasurements".utf8)]
            planted += [Array("CREATE TABLE".utf8), Array("SQLite format".utf8)]
            for text in planted { #expect(bytes.range(of: Data(text)) == nil) }
            #expect(bytes.range(of: key) == nil)
        }
    }

    @Test func `while 16 clients refresh, each backup is a moment of the vault`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let isDone = Flag()
        try await withThrowingTaskGroup(of: Int.self) { group in
            for _ in 0..<16 {
                group.addTask {
                    var tokens = try await party.begin()
                    var count = 0
                    while !isDone.isSet {
                        tokens = try #require(await party.refresh(tokens.refreshToken).issued)
                        count += 1
                    }
                    return count
                }
            }
            for round in 0..<5 {
                let kept = try await test.backUp("backup-\(round)")
                let verification = try await Backup.verify(
                    kept.data, keys: kept.keys, unlockedBy: test.source)
                #expect(verification.isIntact, "\(verification.report.findings)")
            }
            isDone.set()
            let refreshes = try await group.reduce(0, +)
            #expect(refreshes > 16)
        }
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `nothing is overwritten but an older backup, and that when asked`() async throws {
        let test = try await TestVault()
        let kept = try await test.backUp()
        let first = try test.bytes(kept.data)
        await #expect(throws: VaultError(.alreadyExists, "")) { try await test.backUp() }
        #expect(try test.bytes(kept.data) == first)
        try await test.backUp { $0.replaces = true }
        #expect(try test.bytes(kept.data) != first)
        for file in [test.path, test.keyFile] {
            let before = try test.bytes(file)
            var change = BackupRequest(path: file, keysPath: nil)
            change.replaces = true
            let request = change
            await #expect(throws: VaultError(.denied, "")) { try await test.vault.backups.make(request) }
            #expect(try test.bytes(file) == before)
        }
        let same = BackupRequest(path: test.directory + "/x", keysPath: test.directory + "/x")
        await #expect(throws: VaultError(.invalidInput, "")) { try await test.vault.backups.make(same) }
    }

    @Test func `a backup that fails leaves no file, and the log says so`() async throws {
        let test = try await TestVault()
        let request = BackupRequest(path: test.directory + "/nowhere/backup", keysPath: nil)
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.backups.make(request) }
        #expect(try await test.vault.backups.list().isEmpty)
        let last = try await test.vault.log.entries(limit: 1000).last
        #expect(last?.operation == "backup.create" && last?.reason == "failed" && last?.outcome == "refused")
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `one process at a time writes one file`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let request = BackupRequest(path: test.directory + "/backup", keysPath: nil)
        let results = await withTaskGroup(of: VaultError?.self) { group in
            for vault in [test.vault, other] {
                group.addTask {
                    do { _ = try await vault.backups.make(request) } catch { return error as? VaultError }
                    return nil
                }
            }
            return await group.reduce(into: [VaultError?]()) { $0.append($1) }
        }
        #expect(results.contains(nil))
        for error in results.compactMap({ $0 }) { #expect([.busy, .alreadyExists].contains(error.code)) }
        #expect(try await Backup.inspect(request.path).isWhole)
        await other.close()
    }
}
