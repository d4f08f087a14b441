import Foundation
import TestSupport
import Testing
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `Opening: every wrong file gets its own error, and loses nothing` {
    private func open(_ test: TestVault, _ source: KeySource? = nil) async throws {
        await (try Vault.open(at: test.path, unlockedBy: source ?? .keyFile(path: test.keyFile))).close()
    }

    private func closed() async throws -> TestVault {
        let test = try await TestVault()
        await test.vault.close()
        return test
    }

    private func expect(_ code: VaultError.Code, _ body: () async throws -> Void) async {
        await #expect(throws: VaultError(code, "")) { try await body() }
    }

    @Test(.ofFiles) func `a vault opens again`() async throws {
        let test = try await closed()
        try await open(test)
    }

    @Test(.ofFiles) func `another key is refused and says which slots there are`() async throws {
        let test = try await closed()
        let other = test.directory + "/other"
        try Vault.createKeyFile(at: other)
        let before = try Data(contentsOf: URL(fileURLWithPath: test.path))
        let error = await #expect(throws: VaultError.self) { try await open(test, .keyFile(path: other)) }
        #expect(error?.code == .locked)
        #expect(error?.message.contains("key file") == true)
        #expect(error?.message.contains(test.vault.id.description) == true)
        #expect(try Data(contentsOf: URL(fileURLWithPath: test.path)) == before)
    }

    @Test(.ofFiles) func `a passphrase does not open a slot for a key file`() async throws {
        let test = try await closed()
        await expect(.locked) { try await open(test, .passphrase(Secret(copying: "correct horse"))) }
    }

    @Test func `a vault under a passphrase opens with it and no other`() async throws {
        let test = try await closed()
        let path = test.directory + "/second"
        let vault = try await Vault.create(
            at: path, unlockedBy: .passphrase(Secret(copying: "correct horse")))
        await vault.close()
        await (try Vault.open(at: path, unlockedBy: .passphrase(Secret(copying: "correct horse")))).close()
        await expect(.locked) {
            _ = try await Vault.open(at: path, unlockedBy: .passphrase(Secret(copying: "correct horsf")))
        }
    }

    @Test func `no file, no key file, no directory: not found`() async throws {
        let test = try await closed()
        await expect(.notFound) {
            _ = try await Vault.open(at: test.path + ".not", unlockedBy: .keyFile(path: test.keyFile))
        }
        await expect(.notFound) { try await open(test, .keyFile(path: test.keyFile + ".not")) }
        await expect(.notFound) {
            _ = try await Vault.create(
                at: test.directory + "/no/vault", unlockedBy: .keyFile(path: test.keyFile))
        }
    }

    @Test(arguments: ["text", "empty", "directory", "database"])
    func `what is no vault is called that`(_ kind: String) async throws {
        let test = try await closed()
        let path = test.directory + "/thing"
        switch kind {
        case "directory":
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        case "database": _ = try sqlite(path, "CREATE TABLE a (b)")
        default:
            try Data((kind == "text" ? String(repeating: "hello ", count: 99) : "").utf8).write(
                to: URL(fileURLWithPath: path))
        }
        try FileManager.default.setAttributes(
            [.posixPermissions: kind == "directory" ? 0o700 : 0o600], ofItemAtPath: path)
        await expect(.notAVault) {
            _ = try await Vault.open(at: path, unlockedBy: .keyFile(path: test.keyFile))
        }
    }

    @Test(.ofFiles) func `a file that others may read is refused with the command that helps`() async throws {
        let test = try await closed()
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: test.path)
        let error = await #expect(throws: VaultError.self) { try await open(test) }
        #expect(error?.code == .permissionDenied)
        #expect(error?.remedy.contains("chmod 600") == true)
    }

    @Test(.ofFiles) func `an existing file is never overwritten`() async throws {
        let test = try await closed()
        await expect(.alreadyExists) {
            _ = try await Vault.create(at: test.path, unlockedBy: .keyFile(path: test.keyFile))
        }
        await expect(.alreadyExists) { try Vault.createKeyFile(at: test.keyFile) }
        try await open(test)
    }

    @Test(arguments: ["-wal", "-shm", ".ballast"])
    func `nor are remains of an older vault of that name taken for the new one's`(_ suffix: String)
        async throws
    {
        let test = try await closed()
        let path = test.directory + "/second"
        try Data("remains".utf8).write(to: URL(fileURLWithPath: path + suffix))
        await expect(.alreadyExists) {
            _ = try await Vault.create(at: path, unlockedBy: .keyFile(path: test.keyFile))
        }
        #expect(try Data(contentsOf: URL(fileURLWithPath: path + suffix)) == Data("remains".utf8))
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test func `nor is a symbolic link that leads nowhere`() async throws {
        let test = try await TestVault()
        let path = test.directory + "/link"
        #expect(symlink("/nowhere/vault", path) == 0)
        await #expect(throws: VaultError(.alreadyExists, "")) {
            try await Vault.create(at: path, unlockedBy: .keyFile(path: test.keyFile))
        }
        #expect(access(path + ".lock", F_OK) != 0)
        await test.vault.close()
    }

    @Test(.ofFiles) func `a vault that somebody serves is not discarded`() async throws {
        let test = try await TestVault()
        try await test.vault.beginServing()
        #expect(try !Vault.discard(test.vault.id, at: .file(test.path)))
        #expect(FileManager.default.fileExists(atPath: test.path))
        await test.vault.close()
        #expect(try Vault.discard(test.vault.id, at: .file(test.path)))
        #expect(!FileManager.default.fileExists(atPath: test.path))
    }

    @Test func `a draft that a crash left behind is in nobody's way`() async throws {
        let test = try await closed()
        let path = test.directory + "/second"
        try Data("half a vault".utf8).write(to: URL(fileURLWithPath: path + ".creating"))
        await (try Vault.create(at: path, unlockedBy: .keyFile(path: test.keyFile))).close()
        #expect(!FileManager.default.fileExists(atPath: path + ".creating"))
    }

    @Test(.ofFiles) func `a newer schema is refused untouched`() async throws {
        let test = try await closed()
        _ = try sqlite(test.path, "INSERT INTO schema_migrations VALUES (2, zeroblob(32), 0)")
        await expect(.schemaNewer) { try await open(test) }
        #expect(try sqlite(test.path, "SELECT count(*) FROM schema_migrations") == "2")
    }

    @Test(
        .ofFiles,
        arguments: [
            "CREATE TABLE extra (a)", "DROP INDEX grants_by_expiry",
            "UPDATE schema_migrations SET checksum = zeroblob(32)",
            "CREATE TRIGGER t AFTER UPDATE ON grants BEGIN DELETE FROM audit_leaves; END",
            "ALTER TABLE grants ADD COLUMN a TEXT",
        ])
    func `an altered schema is refused`(_ sql: String) async throws {
        let test = try await closed()
        _ = try sqlite(test.path, sql)
        await expect(.schemaChanged) { try await open(test) }
    }

    @Test(.ofFiles) func `by a symbolic link and by its own name it is one vault with one lock`() async throws
    {
        let test = try await TestVault()
        let link = test.directory + "/link"
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: test.path)
        let other = try await Vault.open(at: link, unlockedBy: .keyFile(path: test.keyFile))
        #expect(!FileManager.default.fileExists(atPath: link + ".lock"))
        _ = try await other.users.add("alice")
        await other.close()
        #expect(try await test.vault.users.find("alice").name == "alice")
    }

    @Test(.ofFiles) func `looking at an open vault again takes no lock away from it`() async throws {
        let test = try await TestVault()
        for _ in 0..<3 {
            _ = try await VaultLog.verify(at: test.path, verifierKey: test.vault.log.verifierKey)
            await (try test.reopen()).close()
        }
        _ = try await test.vault.users.add("alice")
        // Another process comes and goes; were our locks gone, it would take the WAL away with it.
        #expect(try sqlite(test.path, "SELECT count(*) FROM owners") == "2")
        _ = try await test.vault.users.add("bob")
        #expect(try sqlite(test.path, "SELECT count(*) FROM owners") == "3")
    }

    @Test(.ofFiles) func `a lock file that was removed stops the writer instead of letting two write`()
        async throws
    {
        let test = try await TestVault()
        try FileManager.default.removeItem(atPath: test.path + ".lock")
        await expect(.unavailable) { _ = try await test.vault.users.add("alice") }
        await test.vault.close()
    }

    @Test func `every file of a vault is its owner's alone`() async throws {
        let test = try await TestVault()
        for name in try FileManager.default.contentsOfDirectory(atPath: test.directory) {
            let mode = try FileManager.default.attributesOfItem(atPath: test.directory + "/" + name)[
                .posixPermissions]
            #expect(mode as? Int == 0o600, "\(name)")
        }
        await test.vault.close()
    }

    @Test(.ofFiles) func `after close every call says so`() async throws {
        let test = try await closed()
        await expect(.unavailable) { _ = try await test.vault.users.add("late") }
        await expect(.unavailable) { _ = try await test.vault.clients.list() }
    }
}
