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

    private func write(_ content: [UInt8], mode: Int = 0o600) throws -> String {
        try CredentialDirectory.write(content, mode: mode).path()
    }

    private func refused(_ path: String) -> VaultError.Code? {
        refusal { _ = try Keyslot.create(.keyFile(path: path), wrapping: root, epoch: 1, vault: vault) }
    }
}
