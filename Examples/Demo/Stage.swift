import ArgumentParser
import Foundation
import IssuerHTTP
import Logging
import TokenVault
import UnixSignals
import VaultCore

/// A vault in a temporary directory, a client, a user, and a server on a free port of this machine.
struct Stage: Sendable {
    static let clientID = "mood-tracker"
    static let redirectURI = "https://app.example/callback"
    static let user = "alice.of.the.demo"

    let directory: String
    let vault: Vault
    let clientSecret: SecretBytes

    /// - Parameter directory: exists, and is empty.
    init(in directory: String) async throws {
        self.directory = directory
        try Vault.createKeyFile(at: directory + "/vault.key")
        vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/vault.key"))
        var registration = ClientRegistration(name: "Mood tracker")
        registration.redirectURIs = [Self.redirectURI]
        registration.scope = try Self.scope("basic readmeasurements")
        // Time enough to type what the demonstration ends with.
        registration.lifetimes.authorizationCode = .seconds(600)
        guard let secret = try await vault.clients.add(registration, clientID: Self.clientID).secret else {
            throw DemoFailure(description: "A confidential client was given no secret.")
        }
        clientSecret = secret
        _ = try await vault.users.add(Self.user)
    }

    /// What a sign-in page does once the user has said yes.
    func authorize() async throws -> (code: String, grant: GrantID) {
        let authorized = try await vault.authorize(
            Authorization(
                client: Self.clientID, user: Self.user, scope: Self.scope("basic"),
                redirectURI: Self.redirectURI))
        return (authorized.code.withExposed { String(decoding: $0, as: UTF8.self) }, authorized.grant)
    }

    /// Serves while `body` runs. An interrupt ends both.
    func serving<Result: Sendable>(
        _ body: @escaping @Sendable (_ url: String) async throws -> Result
    ) async throws -> Result {
        // The reuse alarm is part of the story, and told there.
        let logger = Logger(label: "demo") { _ in SwiftLogNoOpLogHandler() }
        let (urls, ready) = AsyncStream.makeStream(of: String.self)
        let server = IssuerServer(vault: vault, configuration: .init(), logger: logger) { ready.yield($0) }
        return try await withThrowingTaskGroup(of: Result?.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask {
                try await server.run()
                return nil
            }
            tasks.addTask {
                try await Self.untilInterrupted {
                    for await url in urls { return try await body(url) }
                    return nil
                }
            }
            guard let first = try await tasks.next(), let result = first else { throw ExitCode(130) }
            return result
        }
    }

    /// What `body` returns; nil: it was interrupted, and has ended. So no request is under way when its server ends.
    private static func untilInterrupted<Result: Sendable>(
        _ body: @escaping @Sendable () async throws -> Result?
    ) async throws -> Result? {
        try await withThrowingTaskGroup(of: Result?.self) { tasks in
            defer { tasks.cancelAll() }
            tasks.addTask {
                for await _ in await UnixSignalsSequence(trapping: .sigint, .sigterm) { break }
                return nil
            }
            tasks.addTask(operation: body)
            return try await tasks.next() ?? nil
        }
    }

    /// Makes a directory that only this user may enter.
    static func makeDirectory() throws -> String {
        let path =
            FileManager.default.temporaryDirectory.path + "/tokenvault-demo-\(UUID().uuidString.prefix(8))"
        try FileManager.default.createDirectory(
            atPath: path, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        return path
    }

    private static func scope(_ text: String) throws -> ScopeSet {
        guard let scope = ScopeSet(parsing: text) else { throw DemoFailure(description: "No scope: \(text)") }
        return scope
    }
}
