import Foundation
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// A new vault in a directory of its own, gone after the test.
struct KeyVault: Sendable {
    let directory: String
    let clock: SettableClock
    let vault: Vault

    static func run(_ body: (KeyVault) async throws -> Void) async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-oidc-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let clock = SettableClock()
        let vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            configuration: VaultConfiguration(clock: clock))
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
            configuration: VaultConfiguration(clock: clock))
    }

    /// The octets of every file of the vault.
    func files() throws -> [Data] {
        try FileManager.default.contentsOfDirectory(atPath: directory).filter { $0.hasPrefix("vault") }.map {
            try Data(contentsOf: URL(filePath: directory + "/" + $0))
        }
    }
}
