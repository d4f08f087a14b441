import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// Promise 9: what is wrong with the vault's files is told the operator, and to clients it is 503.
@Suite(.serialized, .bounded, .ofFiles) struct `P9: a damaged or misplaced vault answers 503 and is not ready`
{
    /// What the operator reads.
    private let lines = LogLines()

    private func expectUnavailable(_ reply: Reply, _ comment: Comment) {
        #expect(reply.status == 503, comment)
        #expect(Int(reply.header("retry-after") ?? "") ?? 0 > 0, comment)
    }

    /// Serves a vault with two grants, whose first is damaged; what it is at the end is for the test to say.
    private func serve(
        _ body: @Sendable (TestServer, Party, [Reply]) async throws -> Void
    ) async throws {
        let directory = NSTemporaryDirectory() + "tokenvault-damaged-" + UUID().uuidString
        try FileManager.default.createDirectory(
            atPath: directory, withIntermediateDirectories: false, attributes: [.posixPermissions: 0o700])
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Vault.createKeyFile(at: directory + "/key")
        let clock = SettableClock()
        let vault = try await Vault.create(
            at: directory + "/vault", unlockedBy: .keyFile(path: directory + "/key"),
            configuration: VaultConfiguration(channel: .http, clock: clock, logger: lines.logger))
        try await TestServer.serve(
            vault, directory, clock, configure: { configuration, _ in configuration.idTokens = FixedKeys() }
        ) { server in
            let app = try await server.client()
            try await body(server, app, [try await server.tokens(app), try await server.tokens(app)])
        }
        await vault.close()
    }

    private func sqlite(_ server: TestServer, _ sql: String) throws {
        let stream = try #require(popen("sqlite3 '\(server.directory)/vault' \"\(sql)\" 2>&1", "r"))
        var buffer = [UInt8](repeating: 0, count: 4096)
        while fread(&buffer, 1, buffer.count, stream) > 0 {}
        try #require(pclose(stream) == 0, "sqlite3 is needed (apt-get install sqlite3)")
    }

    @Test func `a row that was changed from outside: its token is put off at every endpoint`() async throws {
        try await serve { server, app, tokens in
            #expect(try await server.send("GET", "/health/ready").status == 200)
            try sqlite(server, "UPDATE grants SET idle_expires_at = 1 WHERE id = 1")
            let (bad, good) = (tokens[0], tokens[1])
            for _ in 0..<2 {
                expectUnavailable(try await server.refresh(bad.refreshToken, app), "refresh")
                expectUnavailable(try await server.introspect(bad.accessToken, app), "introspection")
                expectUnavailable(try await server.introspect(bad.refreshToken, app), "introspection")
                expectUnavailable(try await server.revoke(bad.refreshToken, app), "revocation")
                let bearer = "Authorization: Bearer \(bad.accessToken ?? "")"
                expectUnavailable(try await server.send("GET", "/oauth2/userinfo", [bearer]), "userinfo")
            }
            #expect(try await server.refresh(good.refreshToken, app).status == 200)
            let ready = try await server.send("GET", "/health/ready")
            expectUnavailable(ready, "ready")
            #expect(try await server.send("GET", "/health/live").status == 200)
            let critical = lines.all.filter { $0.hasPrefix("critical") }
            #expect(critical.count == 1, "\(critical)")
            #expect(critical.first?.contains("Row 1 of grants") == true)
        }
    }

    @Test func `a client's row: the client is put off, not refused`() async throws {
        try await serve { server, app, tokens in
            try sqlite(
                server, "UPDATE client_secrets SET not_after = 1 WHERE client_id = \(app.client.id.rawValue)")
            // A change of the registry makes the service read it anew.
            _ = try await server.vault.users.add("bob")
            expectUnavailable(try await server.refresh(tokens[0].refreshToken, app), "refresh")
            expectUnavailable(try await server.send("GET", "/health/ready"), "ready")
        }
    }

    @Test func `files that were moved away: 503 for everything, until they are back`() async throws {
        try await serve { server, app, tokens in
            let path = server.directory + "/vault"
            try FileManager.default.moveItem(atPath: path, toPath: path + ".away")
            expectUnavailable(try await server.refresh(tokens[0].refreshToken, app), "refresh")
            expectUnavailable(try await server.introspect(tokens[0].accessToken, app), "introspection")
            // What was proved within the last second is not proved again.
            server.clock.advance(by: .seconds(2))
            expectUnavailable(try await server.send("GET", "/health/ready"), "ready")
            try FileManager.default.moveItem(atPath: path + ".away", toPath: path)
            #expect(try await server.refresh(tokens[0].refreshToken, app).status == 200)
            #expect(try await server.introspect(tokens[1].accessToken, app).member("client_id") == app.id)
            #expect(try await server.send("GET", "/health/ready").status == 200)
        }
    }
}
