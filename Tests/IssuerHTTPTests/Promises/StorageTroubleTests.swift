import CVaultShims
import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// Promise 9: busy or failing storage answers 503 with Retry-After, never invalid_grant, never a burnt token.
@Suite(.serialized, .bounded, .ofFiles) struct `Storage trouble` {
    private func expectUnavailable(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 503, comment)
        #expect(reply.error == "temporarily_unavailable", comment)
        #expect(Int(reply.header("retry-after") ?? "") ?? 0 > 0, comment)
        #expect(reply.header("cache-control") == "no-store", comment)
    }

    @Test func `with the queue full a refresh is put off and its token stays good`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let tokens = try await server.tokens(app)
            let lock = try HeldLock(server)
            try await withThrowingTaskGroup(of: Void.self) { group in
                // One batch waits for the lock with the writer, the rest fills the queue.
                for number in 0..<(Limits.writeQueueLength + Limits.writeBatch) {
                    group.addTask { _ = try? await server.vault.users.add("user \(number)") }
                }
                while server.vault.queueDepth < Limits.writeQueueLength { await Task.yield() }
                let replies = [
                    try await server.refresh(tokens.refreshToken, app), try await server.redeem(code, app),
                    try await server.post(["grant_type": "client_credentials"], authorization: app.basic),
                ]
                lock.release()
                for reply in replies { expectUnavailable(reply) }
                try await group.waitForAll()
            }
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
            #expect(try await server.redeem(code, app).status == 200)
        }
    }

    @Test func `with the disk full new work is put off, and what was granted goes on`() async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-full-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let (path, key) = (directory + "/vault", KeySource.keyFile(path: directory + "/key"))
        try Vault.createKeyFile(at: directory + "/key")
        let clock = SettableClock()
        let configuration = VaultConfiguration(channel: .http, clock: clock)
        let first = try await Vault.create(at: path, unlockedBy: key, configuration: configuration)
        let before = try await Before(first, directory, clock)
        await first.close()
        // A pipe where the ballast should be: no space can be reserved in it, as on a full disk.
        try FileManager.default.removeItem(atPath: path + ".ballast")
        try #require(mkfifo(path + ".ballast", 0o600) == 0)
        let second = try await Vault.open(at: path, unlockedBy: key, configuration: configuration)
        try await TestServer.serve(second, directory, clock) { server in
            expectUnavailable(
                try await server.post(["grant_type": "client_credentials"], authorization: before.app.basic))
            #expect(try await server.refresh(before.refreshToken, before.app).status == 200)
            #expect(try await server.redeem(before.code, before.app).status == 200)
            let wire = try Wire(port: server.port)
            try await wire.send("GET /health/ready HTTP/1.1\r\nHost: a\r\n\r\n")
            expectUnavailable(try await wire.reply(), "readiness")
            try await wire.send("GET /health/live HTTP/1.1\r\nHost: a\r\n\r\n")
            #expect(try await wire.reply().status == 200)
        }
        await second.close()
        try FileManager.default.removeItem(atPath: path + ".ballast")
        let third = try await Vault.open(at: path, unlockedBy: key, configuration: configuration)
        try await TestServer.serve(third, directory, clock) { server in
            let new = try await server.post(
                ["grant_type": "client_credentials"], authorization: before.app.basic)
            #expect(new.status == 200)
        }
        await third.close()
    }

    /// What a client holds before the trouble begins.
    private struct Before: Sendable {
        let app: Party
        let refreshToken: String
        let code: String

        init(_ vault: Vault, _ directory: String, _ clock: SettableClock) async throws {
            let (stream, out) = AsyncStream<Before>.makeStream()
            try await TestServer.serve(vault, directory, clock) { server in
                let app = try await server.client()
                let tokens = try await server.tokens(app)
                let code = try await server.code(app)
                out.yield(Before(app: app, refreshToken: tokens.refreshToken ?? "", code: code))
            }
            self = try #require(await stream.first { _ in true })
        }

        private init(app: Party, refreshToken: String, code: String) {
            self.app = app
            self.refreshToken = refreshToken
            self.code = code
        }
    }

    @Test func `refreshes beside the deletion of expired grants lose nothing`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.accessToken = .seconds(60) }
            for _ in 0..<40 {
                let old = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic)
                #expect(old.status == 200)
            }
            server.clock.advance(by: .seconds(9 * 86400))
            let grants = try await (0..<8).asyncMap { _ in try await server.tokens(app) }
            try await withThrowingTaskGroup(of: Void.self) { group in
                for tokens in grants {
                    group.addTask {
                        var token = tokens.refreshToken
                        for _ in 0..<10 {
                            let reply = try await server.refresh(token, app)
                            #expect(reply.status == 200)
                            token = reply.refreshToken
                        }
                    }
                    group.addTask {
                        for _ in 0..<5 {
                            let own = try await server.post(
                                ["grant_type": "client_credentials"], authorization: app.basic)
                            #expect(own.status == 200)
                        }
                    }
                }
                try await group.waitForAll()
            }
            let left = try await server.vault.grants.list()
            #expect(left.count == 8 + 40)
            #expect(left.count { $0.generation == 11 } == 8)
        }
    }

    @Test func `a shutdown waits for requests whose commit is under way`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await (0..<3).asyncMap { _ in try await server.tokens(app) }
            let lock = try HeldLock(server)
            try await withThrowingTaskGroup(of: Reply.self) { group in
                async let first = server.vault.users.add("bob")
                // Once the writer waits for the lock with this batch, what comes later stays in the queue.
                while !lock.isAwaited { await Task.yield() }
                for pair in tokens { group.addTask { try await server.refresh(pair.refreshToken, app) } }
                while server.vault.queueDepth < tokens.count { await Task.yield() }
                await server.shutDown()
                lock.release()
                for try await reply in group { #expect(reply.status == 200) }
                _ = try await first
            }
        }
    }
}

/// The vault's writer lock, held as another process would.
private final class HeldLock: Sendable {
    private let descriptor: Int32

    init(_ server: TestServer) throws {
        descriptor = open(server.directory + "/vault.lock", O_RDWR)
        try #require(descriptor >= 0)
        // The upkeep of the server may hold it for a moment.
        while tv_lock_byte(descriptor, 0, 1) != 0 { sched_yield() }
    }

    /// Whether the writer has a batch and waits: it holds the door to the lock then.
    var isAwaited: Bool {
        if tv_lock_byte(descriptor, 1, 1) != 0 { return true }
        _ = tv_unlock_byte(descriptor, 1)
        return false
    }

    func release() { _ = tv_unlock_byte(descriptor, 0) }

    deinit { close(descriptor) }
}

extension Sequence where Self: Sendable {
    /// `map` for bodies that wait, one after the other.
    fileprivate func asyncMap<Result>(_ body: (Element) async throws -> Result) async rethrows -> [Result] {
        var results: [Result] = []
        for element in self { results.append(try await body(element)) }
        return results
    }
}
