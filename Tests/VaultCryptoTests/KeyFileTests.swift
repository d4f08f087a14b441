import Foundation
import Testing
import VaultCore
import VaultCrypto

@Suite struct `Key files` {
    private let root: GuardedKey
    private let vault: VaultID
    private let directory: URL

    init() throws {
        root = try Chosen.key("root")
        vault = try Chosen.vault()
        directory = CredentialDirectory.url.appending(path: "files-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: false)
    }

    @Test func `a new key file is one line, for its owner alone, and opens what it locked`() throws {
        let path = directory.appending(path: "key").path()
        try Keyslot.createKeyFile(at: path)
        let attributes = try FileManager.default.attributesOfItem(atPath: path)
        #expect(attributes[.posixPermissions] as? Int == 0o600)
        let content = try String(contentsOfFile: path, encoding: .utf8)
        #expect(content.hasPrefix("TOKENVAULT-KEY-1 ") && content.hasSuffix("\n") && content.count == 61)
        let record = try Keyslot.create(.keyFile(path: path), wrapping: root, epoch: 1, vault: vault)
        #expect(try Keyslot.open(record, with: .keyFile(path: path), vault: vault).exposed == root.exposed)
    }

    @Test func `two new key files hold two keys`() throws {
        let paths = ["a", "b"].map { directory.appending(path: $0).path() }
        for path in paths { try Keyslot.createKeyFile(at: path) }
        let contents = try paths.map { try String(contentsOfFile: $0, encoding: .utf8) }
        #expect(contents[0] != contents[1])
    }

    @Test func `an existing file is never overwritten`() throws {
        let path = try write([1, 2, 3])
        #expect(refusal { try Keyslot.createKeyFile(at: path) } == .alreadyExists)
        #expect(try Data(contentsOf: URL(filePath: path)) == Data([1, 2, 3]))
    }

    @Test func `a key file in a directory that is not there is refused`() {
        let path = directory.appending(path: "nowhere/key").path()
        #expect(refusal { try Keyslot.createKeyFile(at: path) } == .notFound)
        #expect(refused(path) == .notFound)
    }

    @Test(arguments: [0o640, 0o604, 0o660, 0o666, 0o610])
    func `a key file that others may use is refused, with the command that helps`(_ mode: Int) throws {
        let path = try write(Chosen.bytes("key file", 32), mode: mode)
        do {
            _ = try Keyslot.create(.keyFile(path: path), wrapping: root, epoch: 1, vault: vault)
            Issue.record("accepted with mode \(String(mode, radix: 8))")
        } catch {
            #expect(error.code == .permissionDenied && error.remedy.contains("chmod 600 \(path)"))
        }
    }

    @Test func `what is no regular file is refused without waiting for it`() throws {
        let pipe = directory.appending(path: "pipe").path()
        #expect(mkfifo(pipe, 0o600) == 0)
        #expect(refused(pipe) == .invalidInput)
        #expect(refused(directory.path()) == .invalidInput)
        #expect(refused("/dev/zero") == .invalidInput)
    }

    @Test func `a link to a key file is followed`() throws {
        let path = try write(Chosen.bytes("key file", 32))
        let link = directory.appending(path: "link").path()
        try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: path)
        #expect(refused(link) == nil)
    }

    @Test(arguments: [
        ("TOKENVAULT-RECOVERY-1 " + String(repeating: "A", count: 247), "is the file of a recovery key"),
        ("SQLite format 3\0" + String(repeating: "\0", count: 4000), "is a database"),
        ("-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2Vw", "is a PEM file"), ("", "is empty"),
        ("\u{FEFF} \r\n", "is empty"),
        ("hidden", "does not begin with TOKENVAULT-KEY-1"),
        ("\0TOKENVAULT-KEY-1", "does not begin with TOKENVAULT-KEY-1"),
        ("TOKENVAULT-KEY-2 hidden", "does not begin with TOKENVAULT-KEY-1"),
        ("TOKENVAULT-KEY-1 hidden", "has 6 characters behind TOKENVAULT-KEY-1, not 43"),
        ("TOKENVAULT-KEY-1 hidden" + String(repeating: "+", count: 37), "that are not base64url"),
        ("TOKENVAULT-KEY-1 hidden" + String(repeating: "A", count: 5000), "is longer than a key file"),
    ])
    func `what else is given is named for what it is, without a word of it`(_ text: String, _ name: String)
        throws
    {
        try expect(Array(text.utf8), name)
    }

    @Test func `a file in another encoding is named for that`() throws {
        try expect([0xFF, 0xFE] + "TOKENVAULT-KEY-1".utf8.flatMap { [$0, 0] }, "is text in UTF-16")
        try expect([UInt8](repeating: 0xF6, count: 33), "is not UTF-8 text")
    }

    @Test func `a key file given as a recovery file is named for that`() throws {
        let path = directory.appending(path: "key").path()
        try Keyslot.createKeyFile(at: path)
        do {
            _ = try RecoveryKey(file: path, passphrase: SecretBytes(copying: "hidden"))
            Issue.record("taken")
        } catch { #expect(error.code == .invalidInput && error.message.contains("it is a key file")) }
    }

    private func expect(_ content: [UInt8], _ name: String) throws {
        do {
            _ = try Keyslot.create(.keyFile(path: write(content)), wrapping: root, epoch: 1, vault: vault)
            Issue.record("taken: \(name)")
        } catch let error as VaultError {
            #expect(error.code == .invalidInput && error.message.contains(name), "\(error.message)")
            #expect(!error.message.contains("hidden"))
        }
    }

    private func write(_ content: [UInt8], mode: Int = 0o600) throws -> String {
        try CredentialDirectory.write(content, mode: mode).path()
    }

    private func refused(_ path: String) -> VaultError.Code? {
        refusal { _ = try Keyslot.create(.keyFile(path: path), wrapping: root, epoch: 1, vault: vault) }
    }
}
