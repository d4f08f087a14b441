import IssuerHTTP
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// OpenID Connect Core section 5.3: userinfo, a resource like any other (RFC 6750).
@Suite(.bounded) struct `OpenID Connect Core section 5.3, userinfo` {
    private static let path = "/oauth2/userinfo"

    private static let claims = ClaimSource(["email", "address"]) { user, scope in
        var claims: [String: ClaimValue] = [
            "sub": "somebody else", "iss": "evil", "name": .string("\(user.name) \"é\""),
        ]
        if scope.names.contains("email") {
            claims["email"] = "alice@example.com"
            claims["email_verified"] = true
            claims["updated_at"] = 1_700_000_000
            claims["address"] = ["country": "DE", "lines": ["a", "b"]]
        }
        return claims
    }

    private func openIDTokens(_ server: TestServer, scope: String = "openid email") async throws -> String {
        let app = try await server.client(scope: "openid email basic")
        return try #require(try await server.tokens(app, scope: scope).accessToken)
    }

    @Test func `oidcc-userinfo: GET and POST tell sub and the host's claims, of the scope granted`()
        async throws
    {
        try await TestServer.runOpenID(claims: Self.claims) { server in
            let token = try await openIDTokens(server)
            let header = "Authorization: Bearer \(token)"
            let replies = [
                try await server.send("GET", Self.path, [header]),
                try await server.send("POST", Self.path, [header, "Content-Length: 0"]),
                try await server.post(body: "foo=bar", headers: [header], path: Self.path),
                try await server.post(body: "access_token=\(token)", path: Self.path),
            ]
            let user = try await server.vault.users.find("alice")
            for reply in replies {
                #expect(reply.status == 200)
                #expect(reply.header("content-type") == "application/json")
                #expect(reply.header("cache-control") == "no-store")
                #expect(reply.member("sub") == server.vault.users.subject(of: user.id))
                #expect(reply.member("email") == "alice@example.com")
                #expect(reply.json["email_verified"] as? Bool == true)
                #expect(reply.json["updated_at"] as? Int == 1_700_000_000)
                #expect(reply.text.contains(#""address":{"country":"DE","lines":["a","b"]}"#))
                #expect(reply.member("name") == "alice \"é\"")
                #expect(reply.json["iss"] == nil)
            }
            #expect(try await server.send("HEAD", Self.path, [header]).status == 200)
        }
    }

    @Test func `less scope tells less, and without openid nothing`() async throws {
        try await TestServer.runOpenID(claims: Self.claims) { server in
            let app = try await server.client(scope: "openid email basic")
            let narrow = try await server.tokens(app, scope: "openid")
            let reply = try await server.send(
                "GET", Self.path, ["Authorization: Bearer \(narrow.accessToken ?? "")"])
            #expect(reply.json.keys.sorted() == ["name", "sub"])
            let without = try await server.tokens(app, scope: "email")
            let refused = try await server.send(
                "GET", Self.path, ["Authorization: Bearer \(without.accessToken ?? "")"])
            #expect(refused.status == 403)
            #expect(refused.header("www-authenticate")?.hasSuffix(#"scope="openid""#) == true)
        }
    }

    @Test func `a client's own token speaks for no user`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid")
            let own = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            let reply = try await server.send(
                "GET", Self.path, ["Authorization: Bearer \(own.accessToken ?? "")"])
            #expect(reply.status == 401)
            #expect(reply.error == "invalid_token")
        }
    }

    // A service could pass on the token it was given, and learn who its user is.
    @Test func `a token for another resource tells nothing, one for the issuer does`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid")
            let browser = Browser(server)
            try await browser.haveSession()
            for (resource, status) in [
                ("https://mcp.example/mcp", 401), (server.issuer + "/mcp", 401), (server.issuer, 200),
            ] {
                let answer = try await browser.allow(
                    app, ["scope": "openid", "resource": resource, "prompt": "consent"])
                let tokens = try await server.redeem(answer.answer["code"] ?? "", app)
                let reply = try await server.send(
                    "GET", Self.path, ["Authorization: Bearer \(tokens.accessToken ?? "")"])
                #expect(reply.status == status, "\(resource)")
                #expect(reply.error == (status == 401 ? "invalid_token" : nil), "\(resource)")
            }
        }
    }

    @Test func `a token comes in one way only`() async throws {
        try await TestServer.runOpenID { server in
            let token = try await openIDTokens(server)
            let header = "Authorization: Bearer \(token)"
            let replies = [
                try await server.post(body: "access_token=\(token)", headers: [header], path: Self.path),
                try await server.post(body: "access_token=\(token)&access_token=\(token)", path: Self.path),
                try await server.post(
                    body: "access_token=\(token)", path: Self.path + "?access_token=\(token)"),
                try await server.send("GET", Self.path + "?access_token=\(token)", [header]),
                try await server.send("GET", Self.path, [header, header]),
                try await server.post(
                    body: "{}", type: "application/json", headers: [header], path: Self.path),
            ]
            for reply in replies {
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
            }
            #expect(try await server.send("GET", Self.path + "?access_token=\(token)").status == 401)
            #expect(
                try await server.send("GET", Self.path).header("www-authenticate")
                    == #"Bearer realm="tokenvault""#)
        }
    }

    @Test func `in the seed API's profile the query form is taken`() async throws {
        try await TestServer.runOpenID(.quantimodo) { server in
            let token = try await openIDTokens(server)
            for name in ["access_token", "accessToken", "quantimodoAccessToken"] {
                #expect(try await server.send("GET", "\(Self.path)?\(name)=\(token)").status == 200)
            }
            #expect(!server.log.all.joined().contains(token))
        }
    }

    @Test func `a host that cannot tell now puts the client off, and the code is good afterwards`()
        async throws
    {
        struct Broken: Error { let secret = "alice@example.com" }
        let isBroken = Mutex(true)
        let claims = ClaimSource(["email"]) { _, _ in
            guard !isBroken.withLock({ $0 }) else { throw Broken() }
            return ["email": "bob@example.com"]
        }
        try await TestServer.runOpenID(claims: claims) { server in
            let app = try await server.client(scope: "openid email")
            let code = try await server.code(app, scope: "openid email")
            let refused = try await server.redeem(code, app)
            #expect(refused.status == 503 && refused.header("retry-after") == "5")
            isBroken.withLock { $0 = false }
            let token = try #require(try await server.redeem(code, app).accessToken)
            isBroken.withLock { $0 = true }
            let reply = try await server.send("GET", Self.path, ["Authorization: Bearer \(token)"])
            #expect(reply.status == 503 && reply.header("retry-after") == "5")
            #expect(!server.log.all.joined().contains("alice@example.com"))
        }
    }

    @Test func `a disabled user is nobody`() async throws {
        try await TestServer.runOpenID { server in
            let token = try await openIDTokens(server)
            try await server.vault.users.disable("alice")
            #expect(
                try await server.send("GET", Self.path, ["Authorization: Bearer \(token)"]).error
                    == "invalid_token")
        }
    }

    @Test func `without OpenID Connect there is no userinfo and no key set`() async throws {
        try await TestServer.run { server async throws in
            for path in [Self.path, "/oauth2/jwks", "/.well-known/openid-configuration"] {
                #expect(try await server.send("GET", path).status == 404)
            }
        }
    }
}
