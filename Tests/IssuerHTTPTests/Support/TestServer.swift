import Foundation
import IssuerHTTP
import Logging
import ServiceLifecycle
import Synchronization
import TestStores
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

/// A vault in a directory of its own, served on loopback while a test runs.
struct TestServer: Sendable {
    let directory: String
    let vault: Vault
    let clock: SettableClock
    let port: Int
    /// The URL that clients know it by.
    let issuer: String
    let log: LogLines
    /// Where the vault is, if it is in no file.
    let database: TestDatabase?
    /// Begins a graceful shutdown.
    let shutDown: @Sendable () async -> Void

    /// Serves a new vault, runs `body`, shuts down, and asks the log whether all of it is in order.
    static func run(
        _ profile: IssuerProfile = .standard, requests: RequestConfiguration = RequestConfiguration(),
        configure: (inout IssuerServerConfiguration, Vault) -> Void = { _, _ in },
        _ body: @Sendable (TestServer) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-http-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let key = KeySource.keyFile(path: directory + "/key")
        try Vault.createKeyFile(at: directory + "/key")
        let clock = SettableClock(1_767_607_200_000)
        let log = LogLines()
        let settings = VaultConfiguration(channel: .http, clock: clock, logger: log.logger)
        let database = TestStore.isPostgres ? try TestDatabase(for: .issuer) : nil
        let vault =
            if let database {
                try await database.makeVault(unlockedBy: key, settings)
            } else {
                try await Vault.create(at: directory + "/vault", unlockedBy: key, configuration: settings)
            }
        do {
            try await serve(
                vault, directory, clock, profile, requests, log: log, in: database, configure: configure,
                body)
            let whole = try await database?.open(unlockedBy: key, settings, isWhole: true)
            #expect(try await (whole ?? vault).log.verify().findings == [])
            await whole?.close()
        } catch {
            await vault.close()
            throw error
        }
        await vault.close()
    }

    /// Does what concerns the keeper too, for which the user of the server that the issuer has lacks the rights.
    func whole<Result>(_ body: (Vault) async throws -> Result) async throws -> Result {
        guard let database else { return try await body(vault) }
        let whole = try await database.open(
            unlockedBy: .keyFile(path: directory + "/key"),
            VaultConfiguration(channel: .http, clock: clock, logger: log.logger), isWhole: true)
        let result = try await body(whole)
        await whole.close()
        return result
    }

    /// Opens the vault of this server again, as after a restart, and serves that.
    static func serve(
        _ vault: Vault, _ directory: String, _ clock: SettableClock, _ profile: IssuerProfile = .standard,
        _ requests: RequestConfiguration = RequestConfiguration(), log: LogLines = LogLines(),
        in database: TestDatabase? = nil,
        configure: (inout IssuerServerConfiguration, Vault) -> Void = { _, _ in },
        _ body: @Sendable (TestServer) async throws -> Void
    ) async throws {
        var configuration = IssuerServerConfiguration(profile: profile)
        configuration.requests = requests
        configure(&configuration, vault)
        let (urls, announce) = AsyncStream<String>.makeStream()
        let server = IssuerServer(vault: vault, configuration: configuration, logger: log.logger) { url in
            announce.yield(url)
        }
        let group = ServiceGroup(services: [server], logger: log.logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { announce.finish() }
                try await group.run()
            }
            if let url = await urls.first(where: { _ in true }) {
                let port = try #require(URL(string: url)?.port)
                let test = TestServer(
                    directory: directory, vault: vault, clock: clock, port: port,
                    issuer: configuration.issuer ?? url, log: log, database: database,
                    shutDown: { await group.triggerGracefulShutdown() })
                do { try await body(test) } catch {
                    await group.triggerGracefulShutdown()
                    throw error
                }
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
    }

    /// The same vault as another process has it.
    func elsewhere(_ channel: AuditChannel = .library) async throws -> Vault {
        let key = KeySource.keyFile(path: directory + "/key")
        let configuration = VaultConfiguration(channel: channel, clock: clock)
        if let database { return try await database.open(unlockedBy: key, configuration) }
        return try await Vault.open(at: vault.path, unlockedBy: key, configuration: configuration)
    }
}

/// What the server logged.
final class LogLines: Sendable {
    private let lines = Mutex<[String]>([])

    var all: [String] { lines.withLock { $0 } }

    var logger: Logger {
        var logger = Logger(label: "test") { _ in Handler(lines: self) }
        logger.logLevel = .trace
        return logger
    }

    private func append(_ line: String) { lines.withLock { $0.append(line) } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var metadata: Logger.Metadata = [:]
        var logLevel = Logger.Level.trace

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.append("\(event.level) \(event.message) \(event.metadata ?? [:]) \(metadata)")
        }
    }
}
