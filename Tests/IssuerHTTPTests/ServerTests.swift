import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore

/// The server around the endpoints.
@Suite(.bounded) struct `The issuer's server` {
    @Test func `health says alive and ready, and writes no entry`() async throws {
        try await TestServer.run { server in
            let size = try await server.vault.auditSize()
            let wire = try Wire(port: server.port)
            for path in ["/health/live", "/health/ready", "/health/ready"] {
                try await wire.send("GET \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                let reply = try await wire.reply()
                #expect(reply.status == 200)
                #expect(reply.text == #"{"status":"ok"}"#)
                #expect(reply.header("cache-control") == "no-store")
                try await wire.send("HEAD \(path) HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await wire.reply(toHead: true).body.isEmpty)
            }
            let posted = try await server.post(body: "", path: "/health/ready")
            #expect(posted.status == 405)
            #expect(posted.header("allow") == "GET, HEAD")
            #expect(try await server.vault.auditSize() == size)
        }
    }

    @Test func `the access log has patterns and request ids, and nothing that was sent or handed out`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let reply = try await server.post(
                body:
                    "grant_type=authorization_code&code=\(code)&redirect_uri=\(TestServer.encode(Party.redirectURI))",
                headers: ["Authorization: \(app.basic)", "X-Request-Id: pl4nted"],
                path: "/oauth2/token?access_token=pl4nted")
            #expect(reply.status == 200)
            _ = try await server.refresh(reply.refreshToken, app)
            _ = try await server.post(body: "x", path: "/pl4nted?code=pl4nted")
            let log = server.log.all.joined(separator: "\n")
            #expect(log.contains("/oauth2/token"))
            #expect(log.contains(try #require(reply.header("x-request-id"))))
            #expect(log.contains("NotFound"))
            let secrets = [code, app.secret, reply.accessToken, reply.refreshToken, app.basic, "pl4nted"]
            for secret in secrets { #expect(!log.contains(try #require(secret))) }
            #expect(try await server.entries("token.code").last?.requestID == reply.header("x-request-id"))
        }
    }

    @Test(arguments: ["0.0.0.0", "::", "192.0.2.1", "issuer.example", "127.0.0.1.example", "128.0.0.1"])
    func `an address others can reach needs the issuer's URL`(_ host: String) {
        var configuration = IssuerServerConfiguration(host: host)
        #expect(throws: VaultError(.invalidInput, "")) { try configuration.check() }
        configuration.issuer = "https://issuer.example"
        #expect(throws: Never.self) { try configuration.check() }
    }

    @Test(arguments: ["127.0.0.1", "127.8.8.8", "localhost", "::1"])
    func `loopback does not`(_ host: String) {
        #expect(throws: Never.self) { try IssuerServerConfiguration(host: host).check() }
    }

    @Test(arguments: [
        "", "issuer.example", "http://issuer.example", "https://", "https://issuer.example?a=b",
        "https://issuer.example#a", "https://user@issuer.example", "ftp://issuer.example", "https:// x",
        "https://issuer.example//a", "https://issuer.example/a//b", "https://issuer.example/a//",
        "https://issuer.example/./a", "https://issuer.example/a/../b", "https://issuer.example/..",
    ])
    func `an issuer is an https URL without query and fragment, whose path a browser leaves as it is`(
        _ issuer: String
    ) {
        #expect(throws: VaultError(.invalidInput, "")) {
            try IssuerServerConfiguration(issuer: issuer).check()
        }
    }

    @Test func `http in the issuer's URL needs its host named, and each start warns`() async throws {
        var configuration = IssuerServerConfiguration(issuer: "http://id.test:8080/a")
        for (host, isAccepted) in [(nil, false), ("test", false), ("a.id.test", false), ("ID.test", true)] {
            configuration.insecureHost = host
            let accepts: Bool
            do {
                try configuration.check()
                accepts = true
            } catch { accepts = false }
            #expect(accepts == isAccepted, "\(host ?? "-")")
        }
        configuration.issuer = "https://id.test"
        #expect(throws: VaultError(.invalidInput, "")) { try configuration.check() }
        try await TestServer.run(configure: { configuration, _ in
            configuration.issuer = "http://id.test"
            configuration.insecureHost = "id.test"
        }) { server in
            #expect(server.log.all.contains { $0.hasPrefix("warning") && $0.contains("unencrypted") })
            let app = try await server.client { $0.insecureHosts = ["app.test"] }
            let browser = Browser(server)
            try await browser.haveSession()
            // What can be read on the way is worth nothing without the verifier.
            #expect(try await browser.authorize(app).answer["error"] == "invalid_request")
        }
    }

    @Test func `a configuration that will not do is refused before anything is bound`() async throws {
        try await TestServer.run { server in
            var configuration = IssuerServerConfiguration(port: 70_000)
            for host in ["127.0.0.1", "0.0.0.0"] {
                configuration.host = host
                let other = IssuerServer(
                    vault: server.vault, configuration: configuration, logger: server.log.logger)
                await #expect(throws: VaultError(.invalidInput, "")) { try await other.run() }
                configuration.port = 0
            }
        }
    }

    @Test func `100 connections at once are all served`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let statuses = try await withThrowingTaskGroup(of: Int.self) { group in
                for _ in 0..<100 {
                    group.addTask {
                        try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
                            .status
                    }
                }
                return try await group.reduce(into: [Int]()) { $0.append($1) }
            }
            #expect(statuses == Array(repeating: 200, count: 100))
        }
    }
}
