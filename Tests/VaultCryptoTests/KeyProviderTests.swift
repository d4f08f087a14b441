import Foundation
import Synchronization
import TestSupport
import Testing
import VaultCore
@_spi(ChosenNonce) import VaultCrypto

/// A host's provider is trusted with a key, not with our time, and what it throws is not repeated.
@Suite(.bounded) struct `Key providers` {
    private let root: GuardedKey
    private let vault: VaultID

    init() throws {
        root = try Chosen.key("root")
        vault = try Chosen.vault()
    }

    private func create(
        _ provider: some KeyProvider, deadline: Duration = .seconds(30)
    ) async throws -> KeyslotRecord {
        let (root, vault) = (root, vault)
        return try await onThread {
            try Keyslot.create(
                .provider(provider, deadline: deadline), wrapping: root, epoch: 1, vault: vault)
        }
    }

    private func open(_ record: KeyslotRecord, _ source: KeySource) async throws -> [UInt8] {
        let vault = vault
        return try await onThread { try Keyslot.open(record, with: source, vault: vault).exposed }
    }

    private func failure(_ body: () async throws -> Void) async throws -> VaultError? {
        do { try await body() } catch let error as VaultError { return error }
        return nil
    }

    @Test func `one that wraps and unwraps makes a slot of the kind program, which only it opens`()
        async throws
    {
        let mine = Turning()
        let record = try await create(mine)
        #expect(record.kind == .program && record.parameters.count == 33)
        #expect(try await open(record, .provider(mine)) == root.exposed)
        let seen = mine.seen.withLock { $0 }
        #expect(seen.map(\.vault) == [vault.description, vault.description])
        #expect(seen.map(\.slot) == [Hex.encode(record.id), Hex.encode(record.id)])
        let other = Answering { SecretBytes([UInt8](repeating: 1, count: 32)) }
        #expect(try await failure { _ = try await open(record, .provider(other)) }?.code == .locked)
        // A program that does the same opens it.
        let program = KeySource.program(try ScriptedProgram.honest())
        let made = try Keyslot.create(program, wrapping: root, epoch: 1, vault: vault)
        #expect(try await open(made, .provider(try ScriptedProgram.honest())) == root.exposed)
    }

    @Test func `one that never answers is given up`()
        async throws
    {
        let start = ContinuousClock.now
        let error = try await failure {
            _ = try await create(
                Answering {
                    try await Waiting.pass(.seconds(3600))
                    return SecretBytes([])
                }, deadline: .milliseconds(50))
        }
        #expect(error?.code == .unavailable)
        #expect(start.duration(to: .now) < .seconds(60))
    }

    @Test func `what is not 1 to 4,096 wrapped octets, or not 32 unwrapped, is no key`() async throws {
        for count in [0, 4097] {
            let error = try await failure {
                _ = try await create(Wrapping(wrapped: [UInt8](repeating: 1, count: count)))
            }
            #expect(error?.code == .unavailable, "\(count)")
        }
        let record = try await create(Turning())
        for count in [0, 31, 33] {
            let short = Answering { SecretBytes([UInt8](repeating: 1, count: count)) }
            #expect(
                try await failure { _ = try await open(record, .provider(short)) }?.code == .unavailable,
                "\(count)")
        }
    }

    @Test func `an error of it is named by its type alone`() async throws {
        struct Chatty: Error, CustomStringConvertible { let description = "the key is hunter2" }
        let record = try await create(Turning())
        let chatty = try #require(
            try await failure { _ = try await open(record, .provider(Answering { throw Chatty() })) })
        #expect(chatty.code == .unavailable && "\(chatty)".contains("Chatty"))
        #expect(!"\(chatty)".contains("hunter2"))
        let locked = try #require(
            try await failure {
                _ = try await open(
                    record, .provider(Answering { throw VaultError(.locked, "not for hunter2") }))
            })
        #expect(locked.code == .locked && !"\(locked)".contains("hunter2"))
        let other = try await failure {
            _ = try await open(record, .provider(Answering { throw VaultError(.integrity, "hunter2") }))
        }
        #expect(other?.code == .unavailable)
    }
}

/// What key files and passphrases wrap for a provider is bound to its keyslot, and is no keyslot itself.
@Suite(.bounded) struct `Key sources as providers` {
    private let key = SecretBytes(Chosen.bytes("a slot's key", 32))

    /// Two keyslots' contexts, as a vault gives them to a provider.
    private func contexts() async throws -> [KeyslotContext] {
        let (provider, root, vault) = (Turning(), try Chosen.key("root"), try Chosen.vault())
        for _ in 1...2 {
            _ = try await onThread {
                try Keyslot.create(.provider(provider), wrapping: root, epoch: 1, vault: vault)
            }
        }
        return provider.seen.withLock { $0 }
    }

    private func isLocked(_ body: () async throws -> SecretBytes) async throws -> Bool {
        do { _ = try await body() } catch let error as VaultError { return error.code == .locked }
        return false
    }

    @Test func `each unwraps what it wrapped, for that keyslot alone`() async throws {
        let (slots, passphrase) = (try await contexts(), SecretBytes(copying: "open sesame"))
        let file = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let other = try CredentialDirectory.write(Chosen.bytes("another key file", 32))
        let credential = KeySource.systemdCredential(name: file.lastPathComponent)
        for (source, size) in [
            (KeySource.keyFile(path: file.path()), 113), (credential, 113), (.passphrase(passphrase), 138),
        ] {
            let wrapped = try await source.wrap(key, for: slots[0])
            #expect(wrapped.count == size && Int64(wrapped[0]) == source.kind.rawValue)
            #expect(try await source.unwrap(wrapped, for: slots[0]).exposed == key.exposed)
            #expect(try await isLocked { try await source.unwrap(wrapped, for: slots[1]) })
            let stranger = KeySource.keyFile(path: other.path())
            #expect(try await isLocked { try await stranger.unwrap(wrapped, for: slots[0]) })
            for index in [0, 1, wrapped.count - 1] {
                var edited = wrapped
                edited[index] ^= 1
                #expect(try await isLocked { try await source.unwrap(edited, for: slots[0]) }, "\(index)")
            }
        }
        let program = KeySource.program(try ScriptedProgram.honest())
        #expect(try await program.wrap(key, for: slots[0]) == key.exposed.reversed())
    }

    @Test func `what another provider wrapped is refused whatever it looks like`() async throws {
        let (slot, file) = (
            try await contexts()[0], try CredentialDirectory.write(Chosen.bytes("key file", 32))
        )
        for count in [0, 1, 112, 113, 114, 4096] {
            for first: UInt8 in [0, 1, 9] {
                let bytes = [first] + [UInt8](repeating: 1, count: count)
                let source = KeySource.keyFile(path: file.path())
                #expect(
                    try await isLocked { try await source.unwrap(Array(bytes.prefix(count)), for: slot) },
                    "\(count) \(first)")
            }
        }
    }

    @Test func `a keyslot can need a service and a passphrase both, and neither alone opens it`() async throws
    {
        let (root, vault) = (try Chosen.key("root"), try Chosen.vault())
        let passphrase = KeySource.passphrase(SecretBytes(copying: "open sesame"))
        let both = KeySource.provider(Both(first: passphrase, then: Turning()))
        let record = try await onThread {
            try Keyslot.create(both, wrapping: root, epoch: 1, vault: vault)
        }
        #expect(record.kind == .program)
        #expect(
            try await onThread { try Keyslot.open(record, with: both, vault: vault).exposed } == root.exposed)
        let wrong = KeySource.passphrase(SecretBytes(copying: "open simsim"))
        for source in [
            passphrase, .provider(passphrase), .provider(Turning()),
            .provider(Both(first: wrong, then: Turning())),
        ] {
            await #expect(throws: VaultError.self) {
                try await onThread { try Keyslot.open(record, with: source, vault: vault).exposed }
            }
        }
    }

    @Test func `what a source wrapped is no keyslot, and a keyslot is nothing that it wrapped`() async throws
    {
        let (root, vault, slot) = (try Chosen.key("root"), try Chosen.vault(), try await contexts()[0])
        let file = try CredentialDirectory.write(Chosen.bytes("key file", 32))
        let source = KeySource.keyFile(path: file.path())
        let wrapped = try await source.wrap(key, for: slot)
        let id = try #require(Hex.decode(slot.slot))
        for role: UInt16 in [0, 1, 2, 3] {
            let lifted = KeyslotRecord(
                id: id, kind: .keyFile, epoch: 0, parameters: [], wrapped: Array(wrapped.dropFirst()),
                role: role)
            #expect(throws: VaultError.self) { try Keyslot.open(lifted, with: source, vault: vault) }
        }
        let record = try Keyslot.create(
            source, wrapping: root, epoch: 0, vault: vault, id: id, parameters: [], nonce: nil)
        #expect(try await isLocked { try await source.unwrap([1] + record.wrapped, for: slot) })
    }
}

/// Wraps with one, and what that gives with another.
private struct Both: KeyProvider {
    let first: KeySource
    let then: Turning

    func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
        try await then.wrap(SecretBytes(first.wrap(key, for: slot)), for: slot)
    }

    func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
        try await first.unwrap(then.unwrap(wrapped, for: slot).exposed, for: slot)
    }
}

/// Runs what may wait on a thread of its own, as the vault does.
private func onThread<Result: Sendable>(_ body: @escaping @Sendable () throws -> Result) async throws
    -> Result
{
    try await withCheckedThrowingContinuation { continuation in
        Thread { continuation.resume(with: Swift.Result(catching: body)) }.start()
    }
}

/// Turns over what it is given.
private final class Turning: KeyProvider {
    let seen = Mutex<[KeyslotContext]>([])

    func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
        await Task.yield()
        seen.withLock { $0.append(slot) }
        return key.withExposed { $0.reversed() }
    }

    func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes {
        seen.withLock { $0.append(slot) }
        return SecretBytes(wrapped.reversed())
    }
}

/// Wraps to what it was told.
private struct Wrapping: KeyProvider {
    let wrapped: [UInt8]

    func wrap(_ key: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] { wrapped }

    func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes { SecretBytes([]) }
}

/// Answers every question with one answer.
private struct Answering: KeyProvider {
    let key: @Sendable () async throws -> SecretBytes

    func wrap(_ wrapped: SecretBytes, for slot: KeyslotContext) async throws -> [UInt8] {
        try await key().withExposed { $0 }
    }

    func unwrap(_ wrapped: [UInt8], for slot: KeyslotContext) async throws -> SecretBytes { try await key() }
}
