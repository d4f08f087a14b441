import Foundation
import Logging
import SQLiteStore
import TestStores
import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

/// A vault in a directory of its own, with a client and a user, that is removed with the value.
final class TestVault: Sendable {
    let directory: String
    let path: String
    let keyFile: String
    let clock: SettableClock
    let vault: Vault
    /// Where it is, if it is in no file.
    private let memory: MemoryStore?
    let database: TestDatabase?

    init(clock: SettableClock = SettableClock()) async throws {
        self.clock = clock
        directory = NSTemporaryDirectory() + "tokenvault-test-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        path = directory + "/vault"
        keyFile = directory + "/key"
        try Vault.createKeyFile(at: keyFile)
        memory = TestStore.isMemory ? try MemoryStore() : nil
        database = TestStore.isPostgres ? try TestDatabase() : nil
        let configuration = VaultConfiguration.anchored(clock: clock)
        vault =
            if let database {
                try await database.makeVault(unlockedBy: .keyFile(path: keyFile), configuration)
            } else if let memory {
                try await Vault.create(
                    in: memory, unlockedBy: .keyFile(path: keyFile), configuration: configuration)
            } else {
                try await Vault.create(
                    at: path, unlockedBy: .keyFile(path: keyFile), configuration: configuration)
            }
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Another handle on the same file, as another process would have.
    ///
    /// - Parameter source: nil: the key file.
    func reopen(by source: KeySource? = nil) async throws -> Vault {
        let source = source ?? .keyFile(path: keyFile)
        let configuration = VaultConfiguration.anchored(clock: clock)
        if let database {
            return try await database.open(unlockedBy: source, configuration)
        }
        guard let memory else {
            return try await Vault.open(at: path, unlockedBy: source, configuration: configuration)
        }
        return try await Vault.open(
            in: MemoryStore(sharing: memory), unlockedBy: source, configuration: configuration)
    }
}

/// A client and a user, and what a client does.
struct Party: Sendable {
    static let redirectURI = "https://app.example/callback"
    let vault: Vault
    let client: Client
    let user: User

    init(
        _ vault: Vault, _ name: String = "app", user: String = "alice",
        grants: [GrantType] = GrantType.allCases,
        change: (inout ClientRegistration) -> Void = { _ in }
    ) async throws {
        self.vault = vault
        var registration = ClientRegistration(name: name)
        registration.redirectURIs = [Self.redirectURI]
        registration.scope = try #require(ScopeSet(parsing: "basic readmeasurements"))
        registration.grantTypes = grants
        change(&registration)
        client = try await vault.clients.add(registration).client
        self.user = try await vault.users.add(user)
    }

    func authorize() async throws -> SecretBytes {
        try await vault.authorize(
            Authorization(
                client: client.clientID, user: user.name, scope: try #require(ScopeSet(parsing: "basic")),
                redirectURI: Self.redirectURI)
        ).code
    }

    func redeem(_ code: SecretBytes, in other: Vault? = nil) async throws -> ExchangeResult {
        var request = ExchangeRequest(
            kind: .authorizationCode, credential: code, client: client, channel: .library)
        request.redirectURI = Self.redirectURI
        return try await (other ?? vault).exchange(request)
    }

    func refresh(_ token: SecretBytes, in other: Vault? = nil) async throws -> ExchangeResult {
        try await (other ?? vault).exchange(
            ExchangeRequest(kind: .refreshToken, credential: token, client: client, channel: .library))
    }

    /// A fresh grant, redeemed.
    func begin() async throws -> IssuedTokens { try #require(await redeem(authorize()).issued) }
}

extension ExchangeResult {
    var issued: IssuedTokens? {
        if case .issued(let tokens) = self { tokens } else { nil }
    }

    var replayed: IssuedTokens? {
        if case .replayed(let tokens) = self { tokens } else { nil }
    }

    var refusal: RefusalReason? {
        if case .refused(let reason) = self { reason } else { nil }
    }
}

extension IssuedTokens {
    var refreshToken: SecretBytes {
        get throws { try #require(pair.refreshToken) }
    }

    var text: [[UInt8]] {
        [pair.accessToken, pair.refreshToken].compactMap { $0?.withExposed { $0 } }
    }
}

extension VaultConfiguration {
    /// With the vault compared with its anchors when it opens.
    static func anchored(clock: any VaultClock) -> VaultConfiguration {
        var configuration = VaultConfiguration(clock: clock)
        configuration.anchors = LogAnchors()
        return configuration
    }
}
