import Foundation
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// A vault that some version made, kept as the text of its tables and the secrets that go with it.
struct GoldenVault: Sendable {
    /// What opens it, and what it gave out.
    struct Secrets: Codable, Sendable {
        var key: String
        var madeAtMs: Int64
        var clientId: String
        var user: String
        var accessToken: String
        var refreshToken: String
        /// The recovery file and its passphrase.
        var recovery: String
        var recoveryPassphrase: String
        var connectionRefreshToken: String
    }

    let secrets: Secrets
    private let bench = try? Workbench()
    var path: String { (bench?.directory ?? "") + "/vault" }
    var keyFile: String { (bench?.directory ?? "") + "/key" }
    var recoveryFile: String { (bench?.directory ?? "") + "/recovery" }

    static let fixtures = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures")

    init(schema: Int) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        let file = Self.fixtures.appending(path: "vault-v\(schema).json")
        secrets = try decoder.decode(Secrets.self, from: Data(contentsOf: file))
        let dump = Self.fixtures.appending(path: "vault-v\(schema).sql")
        _ = try sqlite(path, String(contentsOf: dump, encoding: .utf8))
        try Data(secrets.key.utf8).write(to: URL(filePath: keyFile))
        try Data(secrets.recovery.utf8).write(to: URL(filePath: recoveryFile))
        for file in [path, keyFile, recoveryFile] {
            try FileManager.default.setAttributes([.posixPermissions: 0o600], ofItemAtPath: file)
        }
    }

    /// - Parameter source: by default the key file.
    func open(by source: KeySource? = nil) async throws -> Vault {
        try await Vault.open(
            at: path, unlockedBy: source ?? .keyFile(path: keyFile),
            configuration: VaultConfiguration(clock: SettableClock(secrets.madeAtMs + 60_000)))
    }
}
