import Foundation
import Testing
import VaultCore
import VaultCrypto

/// Serialized: each passphrase takes 64 MiB, and the credentials have one environment.
@Suite(.serialized) struct Keyslots {
    private let root: GuardedKey
    private let vault: VaultID

    init() throws {
        root = try Chosen.key("root")
        vault = try Chosen.vault()
    }

    @Test func `every kind of source opens the slot that it made, and no other source does`() throws {
        let key = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let other = try CredentialDirectory.write(Chosen.bytes("another key file", 32))
        let fitting: [KeySource] = [
            .keyFile(path: key.path()), .passphrase(SecretBytes(copying: "open sesame")),
            .systemdCredential(name: key.lastPathComponent),
        ]
        let strange: [KeySource] = [
            .keyFile(path: other.path()), .passphrase(SecretBytes(copying: "open simsim")),
            .systemdCredential(name: other.lastPathComponent),
        ]
        for (source, stranger) in zip(fitting, strange) {
            let record = try Keyslot.create(source, wrapping: root, epoch: 5, vault: vault)
            #expect(record.epoch == 5 && record.kind == source.kind && record.wrapped.count == 112)
            #expect(try Keyslot.open(record, with: source, vault: vault).exposed == root.exposed)
            #expect(refusal { _ = try Keyslot.open(record, with: stranger, vault: vault) } == .locked)
        }
    }

    @Test func `a key file and a credential with its content open one slot, a passphrase does not`() throws {
        let key = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let file = KeySource.keyFile(path: key.path())
        let credential = KeySource.systemdCredential(name: key.lastPathComponent)
        let passphrase = KeySource.passphrase(SecretBytes(copying: "open sesame"))
        for (maker, opener) in [(file, credential), (credential, file)] {
            let record = try Keyslot.create(maker, wrapping: root, epoch: 5, vault: vault)
            #expect(record.kind == maker.kind)
            #expect(try Keyslot.open(record, with: opener, vault: vault).exposed == root.exposed)
            #expect(!Keyslot.accepts(passphrase, record))
            #expect(refusal { _ = try Keyslot.open(record, with: passphrase, vault: vault) } == .locked)
        }
    }

    @Test func `two slots of one key file share nothing`() throws {
        let key = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let source = KeySource.keyFile(path: key.path())
        let first = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        let second = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        #expect(first.id != second.id && first.wrapped != second.wrapped)
        let swapped = KeyslotRecord(
            id: first.id, kind: first.kind, epoch: 1, parameters: [], wrapped: second.wrapped)
        #expect(refusal { _ = try Keyslot.open(swapped, with: source, vault: vault) } == .locked)
    }

    @Test func `a new passphrase slot stores the default cost and its own salt`() throws {
        let source = KeySource.passphrase(SecretBytes(copying: "open sesame"))
        let first = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        let second = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        #expect(Array(first.parameters.prefix(9)) == [1, 0, 0, 0, 3, 0, 1, 0, 0])
        #expect(first.parameters.count == 25 && first.parameters != second.parameters)
    }

    @Test func `a passphrase that is empty or endless makes no slot`() {
        for count in [0, 1025] {
            let source = KeySource.passphrase(SecretBytes([UInt8](repeating: 97, count: count)))
            let code = refusal { _ = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault) }
            #expect(code == .invalidInput)
        }
    }

    @Test func `a credential is found by a plain name in the directory that systemd names`() throws {
        _ = try CredentialDirectory.write([])
        for (name, expected) in [
            ("", VaultError.Code.invalidInput), ("..", .invalidInput), ("../secret", .invalidInput),
            ("not-there", .notFound),
        ] {
            let source = KeySource.systemdCredential(name: name)
            #expect(
                refusal { _ = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault) } == expected
            )
        }
    }

    @Test func `a credential may be readable by a group, which access lists look like, but not by all`()
        throws
    {
        for (mode, expected) in [(0o440, nil), (0o400, nil), (0o604, VaultError.Code.permissionDenied)] {
            let file = try CredentialDirectory.write(Chosen.bytes("key file", 32), mode: mode)
            let source = KeySource.systemdCredential(name: file.lastPathComponent)
            #expect(
                refusal { _ = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault) } == expected
            )
        }
    }
}
