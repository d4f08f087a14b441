import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting

/// What revocation (RFC 7009) and introspection (RFC 7662) share with the token endpoint: form and authentication.
@Suite(.bounded) struct `The form and the authentication of revocation and introspection` {
    private static let paths = ["/oauth2/revoke", "/oauth2/introspect"]

    private func expectInvalidRequest(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 400, comment)
        #expect(reply.error == "invalid_request", comment)
        #expect(reply.header("cache-control") == "no-store", comment)
    }

    @Test(arguments: paths) func `without good authentication: 401 and a challenge`(_ path: String)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client { $0.authenticationMethods = [.basic] }
            let token = try await server.tokens(app).refreshToken ?? ""
            let bad: [(Form, String?)] = [
                (["token": token], nil), (["token": token, "client_id": app.id], nil),
                (["token": token], Party.basic(app.id, "wrong")),
                (["token": token], Party.basic("nobody", "wrong")),
                (["token": token, "client_id": app.id, "client_secret": app.secret ?? ""], nil),
                (["token": token], "Bearer \(token)"), (["token": token], "Basic !"),
            ]
            for (form, authorization) in bad {
                let reply = try await server.post(form, authorization: authorization, path: path)
                #expect(reply.status == 401, "\(form)")
                #expect(reply.error == "invalid_client")
                #expect(reply.header("www-authenticate")?.hasPrefix("Basic realm=") == true)
                #expect(reply.header("cache-control") == "no-store")
            }
            #expect(try await server.refresh(token, app).status == 200)
        }
    }

    @Test(arguments: paths) func `an old secret works until its overlap ends`(_ path: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.vault.clients.rotateSecret(of: app.id, overlap: .seconds(60))
            #expect(try await server.post(["token": "x"], authorization: app.basic, path: path).status == 200)
            server.clock.advance(by: .seconds(60))
            #expect(try await server.post(["token": "x"], authorization: app.basic, path: path).status == 401)
        }
    }

    @Test(arguments: paths) func `guesses at one endpoint are throttled at all`(_ path: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for _ in 0..<10 {
                let wrong = Party.basic(app.id, "wrong")
                #expect(try await server.post(["token": "x"], authorization: wrong, path: path).status == 401)
            }
            let form: Form = ["token": "x", "grant_type": "client_credentials"]
            let everywhere = Self.paths + ["/oauth2/token"]
            for path in everywhere {
                let guess = try await server.post(
                    form, authorization: Party.basic(app.id, "wrong"), path: path)
                #expect(guess.status == 429)
                #expect(guess.header("retry-after").flatMap { Int($0) } ?? 0 >= 1)
            }
            for path in everywhere {
                let reply = try await server.post(form, authorization: app.basic, path: path)
                #expect(![401, 429].contains(reply.status), "a right secret is answered all the same")
            }
        }
    }

    @Test(arguments: paths) func `without a token, or with anything twice: invalid`(_ path: String)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).refreshToken ?? ""
            let bodies = [
                "", "token=", "token", "Token=\(token)", "token=\(token)&token=\(token)",
                "token=\(token)&token=",
                "token=\(token)&token_type_hint=a&token_type_hint=b", "token=%zz", "token=%00",
                "token=%ff", "token=\(token)&client_assertion=x&client_secret=y",
                "token=\(token)&client_id=somebody", "token=\(token)&client_secret=\(app.secret ?? "")",
            ]
            for body in bodies {
                expectInvalidRequest(
                    try await server.post(body: body, headers: ["Authorization: \(app.basic)"], path: path),
                    "\(body)")
            }
            #expect(try await server.refresh(token, app).status == 200)
        }
    }

    @Test(arguments: paths) func `a body that is no form, or too large, is refused`(_ path: String)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            for type in ["application/json", "multipart/form-data; boundary=a", "text/plain", nil] {
                expectInvalidRequest(
                    try await server.post(
                        body: #"{"token":"x"}"#, type: type, headers: ["Authorization: \(app.basic)"],
                        path: path))
            }
            let wire = try Wire(port: server.port)
            let large = Array("token=".utf8) + [UInt8](repeating: UInt8(ascii: "a"), count: 70_000)
            try await wire.send(
                TestServer.request(body: large, headers: ["Authorization: \(app.basic)"], path: path))
            #expect(try await wire.reply().status == 413)
            // The connection survives.
            try await wire.send(
                TestServer.request(
                    body: Array("token=x".utf8), headers: ["Authorization: \(app.basic)"], path: path))
            #expect(try await wire.reply().status == 200)
        }
    }

    @Test(arguments: paths + ["/oauth2/authorize", "/sign-in", "/consent", "/account/consents"])
    func `a body that trickles in gets 408`(_ path: String) async throws {
        var requests = RequestConfiguration()
        requests.readTime = .seconds(1)
        try await TestServer.run(requests: requests) { server in
            let wire = try Wire(port: server.port)
            try await wire.send(
                "POST \(path) HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\n"
                    + "Content-Length: 60000\r\n\r\ntoken=")
            var turns = 0
            while turns < 500, try await !wire.hasNews(within: 20) {
                turns += 1
                try await wire.send("a")
            }
            #expect(try await wire.reply().status == 408)
        }
    }

    @Test(arguments: paths) func `only POST is taken`(_ path: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            for method in ["GET", "HEAD", "PUT", "DELETE", "PATCH"] {
                let reply = try await server.send(
                    method, "\(path)?token=\(tokens.refreshToken ?? "")", ["Authorization: \(app.basic)"])
                #expect(reply.status == 405)
                #expect(reply.header("allow")?.hasPrefix("POST") == true)
            }
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test(arguments: paths) func `the query string is not looked at`(_ path: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).refreshToken ?? ""
            let query = "?token=\(token)&client_id=\(app.id)&client_secret=\(app.secret ?? "")"
            expectInvalidRequest(
                try await server.post(body: "", headers: ["Authorization: \(app.basic)"], path: path + query))
            #expect(try await server.post(body: "token=x", path: path + query).status == 401)
            #expect(try await server.refresh(token, app).status == 200)
            #expect(!server.log.all.joined().contains(token))
        }
    }
}
