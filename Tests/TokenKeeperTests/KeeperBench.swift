import Foundation
import Logging
import Synchronization
import TestStores
import TestSupport
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

/// A clock that stands still until it is told otherwise.
final class KeeperClock: VaultClock {
    private let state: Mutex<(wall: Int64, monotonic: Duration, boots: Int)>

    init(_ start: Int64 = 1_790_000_000_000) { state = Mutex((start, .seconds(1000), 1)) }

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

/// A vault with a user, a scripted provider, and a keeper between them, on a clock of the test's own.
final class KeeperBench: Sendable {
    static let redirectURI = "https://app.example/callback"
    let directory: String
    let clock: KeeperClock
    let vault: Vault
    private let database: TestDatabase?
    let server: ScriptedProvider
    let keeper: TokenKeeper
    let user: User
    let session = SecretBytes(Array("the browser's session".utf8))

    /// - Parameters:
    ///   - entry: of the catalogue; nil: a standard one.
    ///   - seed: of the scripted server.
    init(
        _ yaml: String = KeeperBench.standardEntry, seed: UInt64 = 1, clock: KeeperClock = KeeperClock(),
        in folder: String = NSTemporaryDirectory(), logger: Logger? = nil
    ) async throws {
        self.clock = clock
        directory = folder + "/tokenvault-keeper-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        try Vault.createKeyFile(at: directory + "/key")
        var configuration = VaultConfiguration(clock: clock)
        if let logger { configuration.logger = logger }
        let key = KeySource.keyFile(path: directory + "/key")
        database = TestStore.isPostgres ? try TestDatabase(for: .keeper) : nil
        vault =
            if let database {
                try await database.makeVault(unlockedBy: key, configuration)
            } else {
                try await Vault.create(
                    at: directory + "/vault", unlockedBy: key, configuration: configuration)
            }
        user = try await vault.users.add("alice")
        let entry = try ProviderReader.read(yaml, file: "test")
        server = ScriptedProvider(entry, seed: seed, now: { clock.now() })
        keeper = Self.keeper(vault, server, clock)
        try await keeper.addProvider(
            NewProvider(
                "standard", yaml: yaml, scope: "read write", clientID: Self.options.clientID,
                clientSecret: SecretBytes(copying: Self.options.clientSecret)))
    }

    /// The client that every scripted server knows.
    static let options = ScriptedOptions(Provider(name: "", title: "", endpoints: .init(token: "")))

    deinit { try? FileManager.default.removeItem(atPath: directory) }

    static func keeper(_ vault: Vault, _ server: ScriptedProvider, _ clock: KeeperClock) -> TokenKeeper {
        var configuration = KeeperConfiguration()
        configuration.pause = { clock.advance($0) }
        return TokenKeeper(
            vault: vault, transport: ScriptedTransport(server, pause: { clock.advance($0) }),
            configuration: configuration
        )
    }

    /// Another process on the same vault.
    func another() async throws -> TokenKeeper { Self.keeper(try await open(), server, clock) }

    /// - Parameter isWhole: with all rights and keys, whichever the bench's own vault has.
    private func open(isWhole: Bool = false) async throws -> Vault {
        let key = KeySource.keyFile(path: directory + "/key")
        let configuration = VaultConfiguration(clock: clock)
        if let database {
            return try await database.open(unlockedBy: key, configuration, isWhole: isWhole)
        }
        return try await Vault.open(
            at: directory + "/vault", unlockedBy: key, configuration: configuration)
    }

    /// Does what concerns issuer and keeper, whichever the bench's own vault has rights for.
    func whole<Result>(_ body: (Vault) async throws -> Result) async throws -> Result {
        guard database != nil else { return try await body(vault) }
        let vault = try await open(isWhole: true)
        let result = try await body(vault)
        await vault.close()
        return result
    }

    func verify() async throws -> AuditReport { try await whole { try await $0.log.verify() } }

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

extension KeeperBench {
    static func entry(replay: String) -> String {
        standardEntry.replacing("replay: rejected", with: "replay: \(replay)")
    }

    /// Plays the user's part of a consent.
    func connect(label: String = "") async throws -> Connection {
        var request = ConsentRequest(
            provider: "standard", user: user.id, redirectURI: Self.redirectURI, session: session)
        request.label = label
        let begun = try await keeper.begin(request)
        let callback = try Self.consent(at: begun.url, server)
        return try await keeper.complete(callback, session: session)
    }

    /// Opens a consent URL as a browser whose user says yes.
    static func consent(at url: String, _ server: ScriptedProvider) throws -> ConsentCallback {
        let query = url.split(separator: "?", maxSplits: 1).last.map(String.init) ?? ""
        let answer = server.handle(
            ScriptedRequest("GET", ScriptedEndpoint.authorize.path, query: query))
        guard let location = answer.header("location"),
            let callback = ConsentCallback(query: String(location.drop { $0 != "?" }.dropFirst()))
        else { throw VaultError(.internalError, "The scripted server did not redirect: \(answer.text)") }
        return callback
    }

    /// The token, or a failure of the test.
    func ready(_ id: ConnectionID, _ keeper: TokenKeeper? = nil) async throws -> HeldAccessToken {
        let answer = try await (keeper ?? self.keeper).accessToken(for: id)
        guard case .ready(let token) = answer else {
            throw VaultError(.internalError, "No token: \(answer)")
        }
        return token
    }
}

extension HeldAccessToken {
    var text: String { token.withExposed { String(decoding: $0, as: UTF8.self) } }
}
