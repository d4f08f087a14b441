import Foundation
import TokenKeeper
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto

/// One vault file behind several handles, as several processes on one machine have it, for many histories in a row.
final class SimulatedMachine: Sendable {
    static let handles = 3
    let time = SimulatedTime()
    let vaults: [Vault]
    let owner: OwnerID
    let provider: ProviderID
    private let directory: String

    init() async throws {
        // A disk of memory, where there is one: ten thousand histories are some hundred thousand commits.
        let memory = "/dev/shm"
        let isThere = FileManager.default.isWritableFile(atPath: memory)
        directory =
            (isThere ? memory + "/" : NSTemporaryDirectory()) + "tokenvault-simulation-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        let (path, key) = (directory + "/vault", KeySource.keyFile(path: directory + "/key"))
        let configuration = VaultConfiguration(clock: time)
        try Vault.createKeyFile(at: directory + "/key")
        var vaults = [try await Vault.create(at: path, unlockedBy: key, configuration: configuration)]
        while vaults.count < Self.handles {
            vaults.append(try await Vault.open(at: path, unlockedBy: key, configuration: configuration))
        }
        self.vaults = vaults
        owner = try await vaults[0].users.add("alice").id
        provider = try await vaults[0].addProvider(
            "simulated", definition: "{}", credentials: SecretBytes([1])
        ).id
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Closes the handles; nil: the log is in order.
    func close() async throws -> String? {
        let report = try await vaults[0].log.verify()
        for vault in vaults { await vault.close() }
        return report.isIntact ? nil : "\(report.findings)"
    }
}
