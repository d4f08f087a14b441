import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

/// The files of a small vault with something in every corner, as octets.
struct Specimen: Sendable {
    let test: TestVault
    let vkey: String
    let database: [UInt8]
    let wal: [UInt8]

    /// - Parameter keepsWAL: the files as they are while it serves; otherwise as they lie there closed.
    init(keepsWAL: Bool) async throws {
        test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        _ = try await party.refresh(tokens.refreshToken)
        try await test.vault.consents.remember(
            ofUser: party.user.id, toClient: party.client.id, scope: tokens.scope)
        try await test.vault.addSigningKey(
            kid: "a", algorithm: .es256, privateKey: Secret([1]), publicJWK: "{}", retiringCurrent: .zero)
        _ = try await test.vault.startSession(
            user: party.user.id, signedInAt: test.clock.now(), lifetime: .seconds(60))
        _ = try await test.connect(party.user)
        vkey = test.vault.log.verifierKey
        if !keepsWAL { await test.vault.close() }
        database = try test.bytes(test.path)
        wal = keepsWAL ? try test.bytes(test.path + "-wal") : []
    }
}

extension TestVault {
    /// A connection of a user at a provider of its own.
    func connect(_ user: User, provider name: String = "provider") async throws -> HeldConnection {
        try await vault.connect(user, provider: name)
    }
}

extension Vault {
    func connect(_ user: User, provider name: String) async throws -> HeldConnection {
        let provider = try await addProvider(
            name, definition: "{}", credentials: Secret(copying: "secret"))
        var tokens = NewTokens(accessToken: Secret(copying: "access of \(name)"))
        tokens.refreshToken = Secret(copying: "refresh of \(name)")
        return try await storeConnection(
            ConnectionGrant(provider.id, user.id, label: "mine", tokens: tokens))
    }
}

/// A directory where damaged copies of a vault are tried, one after the other.
final class Workbench: Sendable {
    let directory = NSTemporaryDirectory() + "tokenvault-flip-" + UUID().uuidString
    var path: String { directory + "/vault" }

    init() throws {
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    func lay(_ database: [UInt8], wal: [UInt8] = []) throws {
        for suffix in ["-shm", "-wal", ".lock", ".ballast"] { unlink(path + suffix) }
        try write(database, path)
        if !wal.isEmpty { try write(wal, path + "-wal") }
    }

    private func write(_ bytes: [UInt8], _ path: String) throws {
        let file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o600)
        defer { close(file) }
        try #require(
            bytes.withUnsafeBytes { Foundation.write(file, $0.baseAddress, $0.count) } == bytes.count)
    }
}

extension [Int] {
    /// In another order, the same for the same seed, so that both hands have as much to do.
    func shuffled(seed: UInt64) -> [Int] {
        var random = SeededGenerator(seed: seed)
        return shuffled(using: &random)
    }
}

extension [UInt8] {
    /// With one bit turned.
    func flipped(_ bit: Int) -> [UInt8] {
        var bytes = self
        bytes[bit / 8] ^= 1 << UInt8(bit % 8)
        return bytes
    }

    /// The octets before and after a bit, to see what it was part of.
    func around(_ bit: Int) -> [UInt8] {
        Array(self[Swift.max(0, bit / 8 - 48)..<Swift.min(count, bit / 8 + 48)])
    }
}

extension Collection {
    /// So many bits of it, by chance; the same for the same seed.
    func bits(_ count: Int, seed: UInt64) -> [Int] {
        var random = SeededGenerator(seed: seed)
        return (0..<count).map { _ in Int.random(in: 0..<self.count * 8, using: &random) }
    }
}

/// Tries each of `bits` with two hands, and collects the verdicts.
func verdicts<Verdict: Sendable>(
    _ bits: [Int], _ judge: @escaping @Sendable (Workbench, Int) async throws -> Verdict
) async throws -> [Verdict] {
    try await withThrowingTaskGroup(of: [Verdict].self) { group in
        for hand in 0..<2 {
            group.addTask {
                let bench = try Workbench()
                var found: [Verdict] = []
                for bit in bits[(bits.count * hand / 2)..<(bits.count * (hand + 1) / 2)] {
                    found.append(try await judge(bench, bit))
                }
                return found
            }
        }
        return try await group.reduce(into: []) { $0 += $1 }
    }
}
