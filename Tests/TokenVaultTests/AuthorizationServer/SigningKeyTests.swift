import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenRotation
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Signing keys: one current for each algorithm, the one before published a while` {
    @discardableResult
    private func add(
        _ kid: String, _ algorithm: SigningAlgorithm = .rs256, to vault: Vault, first: Bool = false
    ) async throws -> Bool {
        try await vault.addSigningKey(
            kid: kid, algorithm: algorithm, privateKey: Secret(copying: "private \(kid)"),
            publicJWK: #"{"kid":"\#(kid)"}"#, retiringCurrent: .seconds(3600), isFirstOnly: first)
    }

    @Test(.ofFiles) func `a new one retires the one before, of its own algorithm alone`() async throws {
        let test = try await TestVault()
        #expect(try await test.vault.signingKeys().isEmpty)
        try await add("r1", to: test.vault)
        try await add("e1", .es256, to: test.vault)
        try await add("r2", to: test.vault)
        let keys = try await test.vault.signingKeys()
        #expect(keys.map(\.kid) == ["r1", "e1", "r2"])
        #expect(keys.map(\.state) == [.retired, .current, .current])
        #expect(keys[0].publishedUntil == test.clock.now().advanced(by: .seconds(3600)))
        #expect(keys[2].privateKey.withExposed { $0 } == Array("private r2".utf8))
        test.clock.advance(by: .seconds(3600))
        #expect(try await test.vault.signingKeys().map(\.kid) == ["e1", "r2"])
        // What is no longer published goes with the next one that comes.
        try await add("r3", to: test.vault)
        #expect(try sqlite(test.path, "SELECT count(*) FROM signing_keys") == "3")
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `another process sees it at once, and after opening again`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        #expect(try await other.signingKeys().isEmpty)
        try await add("r1", to: test.vault)
        #expect(try await other.signingKeys().map(\.kid) == ["r1"])
        try await add("r2", to: other)
        #expect(try await test.vault.signingKeys().map(\.state) == [.retired, .current])
        await other.close()
        await test.vault.close()
        let again = try await test.reopen()
        #expect(try await again.signingKeys().last?.privateKey.withExposed { $0 } == Array("private r2".utf8))
        await again.close()
    }

    @Test func `two that start at once make one first key`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let made = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<8 {
                group.addTask {
                    try await add("k\(index)", to: index % 2 == 0 ? test.vault : other, first: true)
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(made == 1)
        #expect(try await test.vault.signingKeys().count == 1)
        await other.close()
    }

    @Test func `an identifier is used once`() async throws {
        let test = try await TestVault()
        try await add("r1", to: test.vault)
        await #expect(throws: VaultError(.alreadyExists, "")) { try await add("r1", .edDSA, to: test.vault) }
        await #expect(throws: VaultError(.invalidInput, "")) { try await add("", to: test.vault) }
    }
}

@Suite(.bounded) struct `RFC 7523 section 3 (7): an assertion is used once` {
    @Test func `once for each client and identifier, whichever process asks`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let end = test.clock.now().advanced(by: .seconds(60))
        #expect(try await test.vault.useAssertion("j1", of: OwnerID(2), until: end))
        #expect(try await !test.vault.useAssertion("j1", of: OwnerID(2), until: end))
        #expect(try await !other.useAssertion("j1", of: OwnerID(2), until: end))
        #expect(try await other.useAssertion("j1", of: OwnerID(3), until: end))
        #expect(try await test.vault.useAssertion("j2", of: OwnerID(2), until: end))
        await other.close()
        await test.vault.close()
        let again = try await test.reopen()
        #expect(try await !again.useAssertion("j2", of: OwnerID(2), until: end))
        await again.close()
    }

    @Test func `of 64 at once through two handles one is first`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let end = test.clock.now().advanced(by: .seconds(60))
        let first = try await withThrowingTaskGroup(of: Bool.self) { group in
            for index in 0..<64 {
                group.addTask {
                    try await (index % 2 == 0 ? test.vault : other)
                        .useAssertion("same", of: OwnerID(2), until: end)
                }
            }
            return try await group.reduce(into: 0) { $0 += $1 ? 1 : 0 }
        }
        #expect(first == 1)
        await other.close()
    }

    @Test(.ofFiles) func `what expired is forgotten a few at a time, never before its time`() async throws {
        let test = try await TestVault()
        let end = test.clock.now().advanced(by: .seconds(60))
        for index in 0..<20 { _ = try await test.vault.useAssertion("j\(index)", of: OwnerID(2), until: end) }
        test.clock.advance(by: .seconds(61))
        // A clock that is set back afterwards must not let an old one pass.
        #expect(try await !test.vault.useAssertion("j0", of: OwnerID(2), until: end))
        test.clock.advance(by: Limits.assertionRetention)
        let later = test.clock.now().advanced(by: .seconds(60))
        for index in 20..<24 {
            _ = try await test.vault.useAssertion("j\(index)", of: OwnerID(2), until: later)
        }
        #expect(try sqlite(test.path, "SELECT count(*) FROM used_assertions") == "4")
    }

    @Test func `identifiers stand nowhere in the file`() async throws {
        let test = try await TestVault()
        let end = test.clock.now().advanced(by: .seconds(60))
        _ = try await test.vault.useAssertion("planted-assertion-identifier", of: OwnerID(2), until: end)
        let bytes = try rawBytes(test)
        #expect(bytes.range(of: Data("planted-assertion-identifier".utf8)) == nil)
    }
}
