import Foundation
import IssuerHTTP
import Logging
import ServiceLifecycle
import Synchronization
import TokenVault
import UnixSignals
import VaultCore
import VaultCrypto

/// A vault in a temporary directory, a client, a user, and a server on a free port of this machine.
struct DemoStage: Sendable {
    static let clientID = "mood-tracker"
    static let user = "alice.of.the.demo"

    let directory: String
    let vault: Vault
    let clientSecret: SecretBytes

    var vaultPath: String { directory + "/vault" }
    var keyPath: String { directory + "/vault.key" }

    /// - Parameter directory: exists, and is empty.
    init(in directory: String) async throws {
        self.directory = directory
        try Vault.createKeyFile(at: directory + "/vault.key")
        // The reuse alarm is part of the story, and told there.
        var options = VaultOptions.command
        options.logger.logLevel = .error
        vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/vault.key"), options: options)
        var registration = ClientRegistration(name: "Mood tracker")
        registration.redirectURIs = [DemoClient.redirectURI]
        registration.scope = try ScopeArgument.scope("basic readmeasurements")
        // Time enough to type what the demonstration ends with.
        registration.lifetimes.authorizationCode = .seconds(600)
        guard let secret = try await vault.addClient(registration, clientID: Self.clientID).secret else {
            throw VaultError(.internalError, "A confidential client was given no secret.")
        }
        clientSecret = secret
        _ = try await vault.addUser(Self.user)
    }

    func authorize() async throws -> AuthorizationCode {
        try await vault.authorize(
            Authorization(
                client: Self.clientID, user: Self.user, scope: try ScopeArgument.scope("basic"),
                redirectURI: DemoClient.redirectURI))
    }

    /// Makes a directory that only this user may enter.
    static func makeDirectory() throws -> String {
        let parent = NSTemporaryDirectory()
        var template = Array(
            ((parent as NSString).appendingPathComponent("tokenvault-demo-XXXXXX")).utf8CString)
        guard mkdtemp(&template) != nil else {
            throw VaultError(
                .ioFailure, "No directory can be made in \(parent): \(String(cString: strerror(errno))).",
                remedy: "Set TMPDIR to a directory that can be written.")
        }
        return String(decoding: template.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// Serves while `body` runs. An interrupt ends both.
    func serving(_ body: @escaping @Sendable (_ url: String) async throws -> Void) async throws {
        var logger = Logger(label: "tokenvault") { StreamLogHandler.standardError(label: $0) }
        logger.logLevel = .error
        let (urls, ready) = AsyncStream.makeStream(of: String.self)
        let server = IssuerServer(vault: vault, configuration: .init(), logger: logger) { url in
            ready.yield(url)
        }
        let interruption = InterruptionWatch()
        let services = ServiceGroup(
            configuration: ServiceGroupConfiguration(
                services: [
                    .init(service: server, successTerminationBehavior: .gracefullyShutdownGroup),
                    .init(service: interruption, successTerminationBehavior: .gracefullyShutdownGroup),
                ],
                gracefulShutdownSignals: [.sigterm, .sigint], logger: logger))
        try await withThrowingTaskGroup(of: Bool.self) { group in
            group.addTask {
                defer { ready.finish() }
                try await services.run()
                return false
            }
            group.addTask {
                for await url in urls {
                    do { try await body(url) } catch {
                        // With the server gone everything fails; that it was told to go is the reason.
                        let reason = interruption.isSeen ? ExitStatus.interrupted : error
                        await services.triggerGracefulShutdown()
                        throw reason
                    }
                    return true
                }
                return false
            }
            let isTold = try await group.next() ?? false
            guard isTold else {
                group.cancelAll()
                throw ExitStatus.interrupted
            }
            await services.triggerGracefulShutdown()
            try await group.waitForAll()
        }
    }
}

/// Learns of an interrupt before the server does: services end in reverse order, each when the one after it has.
private final class InterruptionWatch: Service {
    private let seen = Atomic<Bool>(false)

    var isSeen: Bool { seen.load(ordering: .acquiring) }

    func run() async throws {
        try await gracefulShutdown()
        seen.store(true, ordering: .releasing)
    }
}
