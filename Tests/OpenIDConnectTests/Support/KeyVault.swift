import Foundation
import Synchronization
import TokenVault
import VaultCore
import VaultCrypto

/// A clock that stands still until a test moves it.
final class TestClock: VaultClock {
    private static let start = VaultInstant(millisecondsSince1970: 1_767_607_200_000)
    private let passed = Mutex<Duration>(.zero)

    func now() -> VaultInstant { Self.start.advanced(by: passed.withLock { $0 }) }

    let name = "a test's"

    func monotonic() -> Duration { passed.withLock { $0 } }

    func advance(by duration: Duration) { passed.withLock { $0 += duration } }
}

/// A new vault in a directory of its own, gone after the test.
struct KeyVault: Sendable {
    let directory: String
    let clock: TestClock
    let vault: Vault

    static func run(_ body: (KeyVault) async throws -> Void) async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-oidc-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let clock = TestClock()
        let vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            options: VaultOptions(clock: clock))
        do { try await body(KeyVault(directory: directory, clock: clock, vault: vault)) } catch {
            await vault.close()
            throw error
        }
        await vault.close()
    }

    /// The same vault as another process has it.
    func second() async throws -> Vault {
        try await Vault.open(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            options: VaultOptions(clock: clock))
    }

    /// The octets of every file of the vault.
    func files() throws -> [Data] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("vault") }.map {
            try Data(contentsOf: URL(filePath: directory + "/" + $0))
        }
    }
}
