import Foundation
import Synchronization
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

/// A clock that stands still until it is told otherwise.
final class KeeperClock: VaultClock {
    private let state: Mutex<(wall: Int64, monotonic: Duration)>

    init(_ start: Int64 = 1_790_000_000_000) { state = Mutex((start, .seconds(1000))) }

    func now() -> VaultInstant { state.withLock { VaultInstant(millisecondsSince1970: $0.wall) } }
    func monotonic() -> Duration { state.withLock { $0.monotonic } }

    /// Time passes.
    func advance(_ duration: Duration) {
        state.withLock {
            $0.wall += duration.milliseconds
            $0.monotonic += duration
        }
    }

    /// Somebody sets the wall clock.
    func step(_ duration: Duration) { state.withLock { $0.wall += duration.milliseconds } }
}

/// A vault with a user, a scripted provider, and a keeper between them, on a clock of the test's own.
final class KeeperBench: Sendable {
    static let redirectURI = "https://app.example/callback"
    let directory: String
    let clock: KeeperClock
    let vault: Vault
    let server: ScriptedProvider
    let keeper: TokenKeeper
    let user: User
    let session = SecretBytes(Array("the browser's session".utf8))

    /// - Parameters:
    ///   - entry: of the catalogue; nil: a standard one.
    ///   - seed: of the scripted server.
    init(
        _ yaml: String = KeeperBench.standardEntry, seed: UInt64 = 1, clock: KeeperClock = KeeperClock()
    ) async throws {
        self.clock = clock
        directory = NSTemporaryDirectory() + "tokenvault-keeper-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try Vault.createKeyFile(at: directory + "/key")
        vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            options: VaultOptions(clock: clock))
        user = try await vault.addUser("alice")
        let entry = try ProviderReader.read(yaml, file: "test")
        server = ScriptedProvider(entry, seed: seed, now: { clock.now() })
        keeper = Self.keeper(vault, server, clock)
        try await keeper.addProvider(
            NewProvider(
                "standard", yaml: yaml, scope: "read write", clientID: server.clientID,
                clientSecret: server.clientSecret))
    }

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func keeper(_ vault: Vault, _ server: ScriptedProvider, _ clock: KeeperClock) -> TokenKeeper {
        var options = KeeperOptions()
        options.pause = { clock.advance($0) }
        return TokenKeeper(
            vault: vault, transport: ScriptedTransport(server, pause: { clock.advance($0) }), options: options)
    }

    /// Another process on the same vault.
    func another() async throws -> TokenKeeper {
        let vault = try await Vault.open(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            options: VaultOptions(clock: clock))
        return Self.keeper(vault, server, clock)
    }

    /// A provider that keeps to the standards, its tokens an hour old at most.
    static let standardEntry = """
        name: standard
        title: Standard
        endpoints:
          authorization: https://provider.example/authorize
          token: https://provider.example/token
          revocation: https://provider.example/revoke
        refresh:
          replay: rejected
        """
}
