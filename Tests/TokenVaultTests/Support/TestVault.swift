import Foundation
import Synchronization
import Testing
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto

/// A clock that stands still until it is told otherwise.
final class TestClock: VaultClock {
    private let state: Mutex<(wall: Int64, monotonic: Duration, boots: Int)>

    init(_ start: Int64 = 1_790_000_000_000) { state = Mutex((start, .zero, 1)) }

    func now() -> VaultInstant { state.withLock { VaultInstant(millisecondsSince1970: $0.wall) } }
    var name: String { state.withLock { "boot \($0.boots)" } }
    func monotonic() -> Duration { state.withLock { $0.monotonic } }

    /// Time passes.
    func advance(_ duration: Duration) {
        state.withLock {
            $0.wall += duration.milliseconds
            $0.monotonic += duration
        }
    }

    /// The machine starts again: from now on another monotonic clock is read, which happens to stand where that one stood.
    func reboot() { state.withLock { $0.boots += 1 } }

    /// Somebody sets the wall clock.
    func step(_ duration: Duration) { state.withLock { $0.wall += duration.milliseconds } }
}

/// A vault in a directory of its own, with a client and a user, that is removed with the value.
final class TestVault: Sendable {
    let directory: String
    let path: String
    let keyFile: String
    let clock: TestClock
    let vault: Vault

    init(clock: TestClock = TestClock()) async throws {
        self.clock = clock
        directory = NSTemporaryDirectory() + "tokenvault-test-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        path = directory + "/vault"
        keyFile = directory + "/key"
        try Vault.createKeyFile(at: keyFile)
        vault = try await Vault.create(
            at: path, unlockedBy: .keyFile(path: keyFile), options: VaultOptions(clock: clock))
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    /// Another handle on the same file, as another process would have.
    func reopen() async throws -> Vault {
        try await Vault.open(
            at: path, unlockedBy: .keyFile(path: keyFile), options: VaultOptions(clock: clock))
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
        client = try await vault.addClient(registration).client
        self.user = try await vault.addUser(user)
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
