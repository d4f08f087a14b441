import Foundation
import Testing
import VaultCore
import VaultCrypto

/// A slot gets another root key without its holder, who notices nothing.
@Suite(.serialized) struct `Keyslots, wrapped anew` {
    private let root: GuardedKey
    private let next: GuardedKey
    private let vault: VaultID

    init() throws {
        root = try Chosen.key("root")
        next = try Chosen.key("next root")
        vault = try Chosen.vault()
    }

    private func sources() throws -> [KeySource] {
        let file = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let passphrase = SecretBytes(copying: "open sesame")
        return [
            .keyFile(path: file.path()), .passphrase(passphrase),
            .systemdCredential(name: file.lastPathComponent),
            .program(try ScriptedProgram.honest()),
        ]
    }

    @Test func `by the held key: the source opens the new root, and no longer the old`() throws {
        for source in try sources() {
            let record = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
            let opened = try Keyslot.unlock(record, with: source, vault: vault)
            let wrapped = try Keyslot.rewrap(
                record, heldSlotKey: opened.slotKey, root: next, epoch: 2, vault: vault)
            #expect(wrapped.epoch == 2 && wrapped.id == record.id && wrapped.parameters == record.parameters)
            #expect(try Keyslot.open(wrapped, with: source, vault: vault).isEqual(to: next))
            #expect(try Keyslot.open(wrapped, slotKey: opened.slotKey, vault: vault).isEqual(to: next))
        }
    }

    @Test func `a held key of another slot makes no slot that its holder could not open`() throws {
        let source = try sources()[0]
        let (first, second) = (
            try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault),
            try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        )
        let held = try Keyslot.unlock(second, with: source, vault: vault).slotKey
        let code = refusal {
            _ = try Keyslot.rewrap(first, heldSlotKey: held, root: next, epoch: 2, vault: vault)
        }
        #expect(code == .integrity)
    }

    @Test func `a recovery slot is sealed anew to its public key`() throws {
        let key = try RecoveryKey.generate(for: vault)
        let record = try Keyslot.create(.recoveryKey(key), wrapping: root, epoch: 1, vault: vault)
        let resealed = try Keyslot.reseal(record, root: next, epoch: 2, vault: vault)
        #expect(resealed.id == record.id && resealed.parameters != record.parameters)
        #expect(Keyslot.recoveryKeyID(of: resealed) == key.id)
        #expect(try Keyslot.open(resealed, with: .recoveryKey(key), vault: vault).isEqual(to: next))
        let stranger = try RecoveryKey.generate(for: vault)
        #expect(
            refusal { _ = try Keyslot.open(resealed, with: .recoveryKey(stranger), vault: vault) } == .locked)
    }

    @Test func `what is no recovery slot is not resealed, nor to a point that is no key`() throws {
        let source = try sources()[0]
        let file = try Keyslot.create(source, wrapping: root, epoch: 1, vault: vault)
        #expect(refusal { _ = try Keyslot.reseal(file, root: next, epoch: 2, vault: vault) } == .integrity)
        let key = try RecoveryKey.generate(for: vault)
        let record = try Keyslot.create(.recoveryKey(key), wrapping: root, epoch: 1, vault: vault)
        let nowhere = KeyslotRecord(
            id: record.id, kind: .recoveryKey, epoch: 1,
            parameters: [1] + [UInt8](repeating: 0, count: 32) + record.parameters.dropFirst(33),
            wrapped: record.wrapped)
        #expect(refusal { _ = try Keyslot.reseal(nowhere, root: next, epoch: 2, vault: vault) } == .integrity)
    }

    /// Made by somebody who knows both: the bare cipher opens it under either key file.
    @Test func `a slot forged for two key files opens to one root key, for one of them`() throws {
        let forged = try VectorFile.load("forged.json").filter { $0["kind"] == "slot" }
        #expect(forged.map { $0["expect"] } == ["opens", "locked"])
        for vector in forged {
            let vector = vector.with(["kind": try vector.value("slot_kind")])
            let record = KeyslotRecord(
                id: try vector.bytes("slot"), kind: .keyFile, epoch: 1, parameters: [],
                wrapped: try vector.bytes("wrapped"))
            let (source, vault) = (try KeyslotVectors.source(of: vector), try vector.vault())
            var opened: [UInt8]?
            let code = refusal { opened = try Keyslot.open(record, with: source, vault: vault).exposed }
            if vector["expect"] == "opens" {
                #expect(try opened == vector.bytes("root"))
            } else {
                #expect(code == .locked)
            }
        }
    }

    @Test func `a key read from a pipe opens the slot of its file`() throws {
        let content = Chosen.bytes("key file", 32)
        let file = try CredentialDirectory.write(content)
        let record = try Keyslot.create(.keyFile(path: file.path()), wrapping: root, epoch: 1, vault: vault)
        let pipe = Pipe()
        try pipe.fileHandleForWriting.write(contentsOf: Data("TOKENVAULT-KEY-1 ".utf8))
        try pipe.fileHandleForWriting.write(contentsOf: Data(Base64URL.encode(content)) + Data("\n".utf8))
        try pipe.fileHandleForWriting.close()
        let held = try HeldKey(readingFrom: pipe.fileHandleForReading.fileDescriptor)
        // Kept, and used again.
        for _ in 0..<2 {
            #expect(try Keyslot.open(record, with: .heldKey(held), vault: vault).isEqual(to: root))
        }
        #expect(refusal { _ = try HeldKey(readingFrom: -1) } != nil)
    }
}
