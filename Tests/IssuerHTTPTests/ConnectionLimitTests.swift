import Foundation
import IssuerHTTP
import Logging
import ServiceLifecycle
import TestSupport
import Testing
import TokenVault
import VaultCore
import VaultCrypto

/// More connections than the server holds wait for their turn, and are not lost.
@Suite("Too many connections", .bounded)
struct ConnectionLimitTests {
    private static let request = "GET /health/live HTTP/1.1\r\nHost: issuer.example\r\n\r\n"

    @Test func `those beyond the maximum wait until another ends, and the log says so once`() async throws {
        try await served(maximum: 4) { port, log in
            var wires: [Wire] = []
            for _ in 0..<4 {
                let wire = try Wire(port: port)
                try await wire.send(Self.request)
                #expect(try await wire.reply().status == 200)
                wires.append(wire)
            }
            let fifth = try Wire(port: port)
            try await fifth.send(Self.request)
            #expect(try await !fifth.hasNews(within: 300), "it was accepted beyond the maximum")
            // Those that are open are served as before.
            try await wires[1].send(Self.request)
            #expect(try await wires[1].reply().status == 200)
            wires.removeFirst()
            #expect(try await fifth.reply().status == 200)
            let warnings = log.all.filter { $0.contains("The maximum number of connections is open") }
            #expect(warnings.count == 1)
            #expect(warnings.first?.contains(#""maximum": 4"#) == true, "\(warnings)")
        }
    }

    @Test func `a crowd is served in turns`() async throws {
        try await served(maximum: 8) { port, _ in
            try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<64 {
                    group.addTask {
                        let wire = try Wire(port: port)
                        try await wire.send(Self.request)
                        return try await wire.reply().status
                    }
                }
                for try await status in group { #expect(status == 200) }
            }
        }
    }

    @Test func `a silent one is closed and makes room`() async throws {
        try await served(maximum: 1, idleTimeout: .milliseconds(300)) { port, _ in
            let silent = try Wire(port: port)
            let next = try Wire(port: port)
            try await next.send(Self.request)
            #expect(try await next.reply().status == 200)
            #expect(try await silent.rest().isEmpty)
        }
    }

    private func served(
        maximum: Int, idleTimeout: Duration = .seconds(30),
        _ body: @Sendable (_ port: Int, _ log: LogLines) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-limit-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            configuration: VaultConfiguration(channel: .http))
        var configuration = IssuerServerConfiguration()
        configuration.maximumConnections = maximum
        configuration.idleTimeout = idleTimeout
        let log = LogLines()
        let (ports, announce) = AsyncStream<Int>.makeStream()
        let server = IssuerServer(vault: vault, configuration: configuration, logger: log.logger) { url in
            announce.yield(URL(string: url)?.port ?? 0)
        }
        let group = ServiceGroup(services: [server], logger: log.logger)
        try await withThrowingTaskGroup(of: Void.self) { tasks in
            tasks.addTask {
                defer { announce.finish() }
                try await group.run()
            }
            let port = try #require(await ports.first { _ in true })
            do { try await body(port, log) } catch {
                await group.triggerGracefulShutdown()
                throw error
            }
            await group.triggerGracefulShutdown()
            try await tasks.waitForAll()
        }
        await vault.close()
    }
}
