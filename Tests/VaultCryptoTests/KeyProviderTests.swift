import Foundation
import Synchronization
import TestSupport
import Testing
import VaultCore
import VaultCrypto

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
