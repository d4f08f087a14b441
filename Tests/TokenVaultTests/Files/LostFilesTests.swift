import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `P1: nothing is acknowledged into files that are not the vault's any more` {
    /// What happens to the files of an open vault, and what brings them back.
    enum Loss: String, CaseIterable, Sendable {
        case renamed, copied, deleted, linkedBack, cleared, walCopied, walCut, indexCopied
        case directoryRenamed, directoryCopied

        /// A file that is gone for good cannot come back, and neither can what was in it.
        var isCurable: Bool { ![.deleted, .cleared, .walCut].contains(self) }
    }

    private func lose(_ test: TestVault, _ loss: Loss) throws {
        let (path, files) = (test.path, FileManager.default)
        switch loss {
        case .renamed: try files.moveItem(atPath: path, toPath: path + ".away")
        case .copied: try swap(path)
        case .deleted: try files.removeItem(atPath: path)
        case .linkedBack:
            try files.moveItem(atPath: path, toPath: path + ".away")
            try files.createSymbolicLink(atPath: path, withDestinationPath: path + ".away")
        case .cleared:
            for name in [path, path + "-wal", path + "-shm"] { try files.removeItem(atPath: name) }
        case .walCopied: try swap(path + "-wal")
        case .walCut: try #require(truncate(path + "-wal", 4096) == 0)
        case .indexCopied: try swap(path + "-shm")
        case .directoryRenamed: try files.moveItem(atPath: test.directory, toPath: test.directory + ".away")
        case .directoryCopied: try swap(test.directory)
        }
    }

    /// Puts a copy where the file was, which is kept.
    private func swap(_ path: String) throws {
        try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
        try FileManager.default.copyItem(atPath: path + ".away", toPath: path)
    }

    private func putBack(_ test: TestVault, _ loss: Loss) throws {
        let place =
            switch loss {
            case .walCopied: test.path + "-wal"
            case .indexCopied: test.path + "-shm"
            case .directoryRenamed, .directoryCopied: test.directory
            default: test.path
            }
        try? FileManager.default.removeItem(atPath: place)
        try FileManager.default.moveItem(atPath: place + ".away", toPath: place)
    }

    @Test(.ofFiles, arguments: Loss.allCases)
    func `writes and reads are refused, and go on when the files are back`(_ loss: Loss) async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        defer { try? FileManager.default.removeItem(atPath: test.directory + ".away") }
        try lose(test, loss)
        await #expect(throws: VaultError(.unavailable, "")) { try await test.vault.users.add("bob") }
        await #expect(throws: VaultError(.unavailable, "")) { try await party.refresh(tokens.refreshToken) }
        await #expect(throws: VaultError(.unavailable, "")) {
            try await test.vault.validate(tokens.pair.accessToken)
        }
        guard loss.isCurable else {
            // What is left is not touched when the vault closes.
            let before = try? Data(contentsOf: URL(fileURLWithPath: test.path))
            await test.vault.close()
            #expect(before == (try? Data(contentsOf: URL(fileURLWithPath: test.path))))
            return
        }
        try putBack(test, loss)
        #expect(try await party.refresh(tokens.refreshToken).issued != nil)
        #expect(try await test.vault.validate(tokens.pair.accessToken) != nil)
        #expect(try await test.vault.log.verify().isIntact)
        await test.vault.close()
        let again = try await test.reopen()
        #expect(try await again.grants.find(tokens.grant).generation == 2)
        await again.close()
    }

    /// What a process finds that opens the vault after this one was killed.
    private func afterKill(_ test: TestVault) async throws -> Vault {
        let image = test.directory + "/image"
        for suffix in ["", "-wal"] where FileManager.default.fileExists(atPath: test.path + suffix) {
            try FileManager.default.copyItem(atPath: test.path + suffix, toPath: image + suffix)
        }
        return try await Vault.open(
            at: image, unlockedBy: .keyFile(path: test.keyFile),
            configuration: VaultConfiguration.anchored(clock: test.clock))
    }

    @Test(.ofFiles, arguments: [["-wal", "-shm"], ["-wal"], ["-shm"]])
    func `what was acknowledged outlives the WAL and the index that somebody deletes`(_ gone: [String])
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        for suffix in gone { try FileManager.default.removeItem(atPath: test.path + suffix) }
        let next = try #require(try await party.refresh(tokens.refreshToken).issued)
        let killed = try await afterKill(test)
        #expect(try await party.refresh(next.refreshToken, in: killed).issued != nil)
        #expect(try await killed.log.verify().isIntact)
        await killed.close()
        #expect(try await party.refresh(next.refreshToken).issued != nil)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test(.ofFiles) func `a vault that is closed after its WAL was deleted keeps what was acknowledged`()
        async throws
    {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        try FileManager.default.removeItem(atPath: test.path + "-wal")
        await test.vault.close()
        let again = try await test.reopen()
        #expect(try await again.users.find("alice").name == "alice")
        await again.close()
    }

    @Test(.ofFiles) func `another process's WAL in the place of a deleted one is not written over`()
        async throws
    {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        for suffix in ["-wal", "-shm"] { try FileManager.default.removeItem(atPath: test.path + suffix) }
        let other = Data("another process's".utf8)
        try other.write(to: URL(fileURLWithPath: test.path + "-wal"))
        await #expect(throws: VaultError(.unavailable, "")) { try await test.vault.users.add("bob") }
        await test.vault.close()
        #expect(try Data(contentsOf: URL(fileURLWithPath: test.path + "-wal")) == other)
    }

    @Test(.ofFiles) func `a hard link made while the vault is open stops writes until it is removed`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        try FileManager.default.linkItem(atPath: test.path, toPath: test.path + "2")
        let error = await #expect(throws: VaultError.self) { try await test.vault.users.add("bob") }
        #expect(error?.code == .unavailable)
        #expect(error?.message.contains("2 names") == true)
        #expect(try await test.vault.validate(tokens.pair.accessToken) != nil)
        try FileManager.default.removeItem(atPath: test.path + "2")
        #expect(try await party.refresh(tokens.refreshToken).issued != nil)
        await test.vault.close()
    }

    @Test(.ofFiles, arguments: [true, false])
    func `a second name is refused before anything is written`(_ isOpen: Bool) async throws {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        if !isOpen { await test.vault.close() }
        try FileManager.default.createDirectory(
            atPath: test.directory + "/other", withIntermediateDirectories: false)
        let second = test.directory + "/other/vault"
        try FileManager.default.linkItem(atPath: test.path, toPath: second)
        let before = try Data(contentsOf: URL(fileURLWithPath: second))
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: second, unlockedBy: .keyFile(path: test.keyFile))
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: test.directory + "/other") == ["vault"])
        #expect(try Data(contentsOf: URL(fileURLWithPath: second)) == before)
        await test.vault.close()
    }

    @Test(.ofFiles, .enabled(if: geteuid() == 0, "mounting is for root"))
    func `a file that is mounted by itself is refused, and so is a mount over an open vault`() async throws {
        let test = try await TestVault()
        _ = try await Party(test.vault)
        let second = test.directory + "/second"
        try Data().write(to: URL(fileURLWithPath: second))
        try #require(try shell("mount --bind '\(test.path)' '\(second)'") == 0)
        defer { _ = try? shell("umount -l '\(second)'") }
        await #expect(throws: VaultError(.unavailable, "")) {
            try await Vault.open(at: second, unlockedBy: .keyFile(path: test.keyFile))
        }
        #expect(!FileManager.default.fileExists(atPath: second + "-wal"))
        try #require(try shell("mount --bind '\(test.path)' '\(test.path)'") == 0)
        await #expect(throws: VaultError(.unavailable, "")) { try await test.vault.users.add("bob") }
        try #require(try shell("umount -l '\(test.path)'") == 0)
        _ = try await test.vault.users.add("bob")
        await test.vault.close()
    }

    private func shell(_ command: String) throws -> Int32 {
        let stream = try #require(popen(command + " 2>&1", "r"))
        var buffer = [UInt8](repeating: 0, count: 4096)
        while fread(&buffer, 1, buffer.count, stream) > 0 {}
        return pclose(stream)
    }
}
