import IssuerHTTP
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 7662 section 2: what a token stands for, told to who may know.
@Suite(.bounded) struct `RFC 7662 section 2, token introspection` {
    private func expectInactive(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 200, comment)
        #expect(reply.text == #"{"active":false}"#, comment)
        #expect(reply.header("cache-control") == "no-store", comment)
    }

    @Test func `an access token is told in full, and no name of a person`() async throws {
        try await TestServer.run(configure: { configuration, _ in configuration.issuer = "https://id.example"
        }) {
            server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let reply = try await server.introspect(tokens.accessToken, app)
            #expect(reply.status == 200)
            #expect(reply.header("content-type") == "application/json")
            let names = ["active", "client_id", "exp", "iat", "iss", "scope", "sub", "token_type"]
            #expect(reply.json.keys.sorted() == names)
            #expect(reply.json["active"] as? Bool == true)
            #expect(reply.member("client_id") == app.id)
            #expect(reply.member("scope") == "basic readmeasurements")
            #expect(reply.member("token_type") == "Bearer")
            #expect(reply.member("iss") == "https://id.example")
            let user = try await server.vault.users.find("alice")
            #expect(reply.member("sub") == server.vault.users.subject(of: user.id))
            #expect(reply.json["iat"] as? Int64 == server.clock.now().secondsSince1970)
            #expect(reply.json["exp"] as? Int64 == server.clock.now().secondsSince1970 + 3600)
            #expect(!reply.text.contains("alice"))
        }
    }

    @Test func `a client's own token has the client for its subject`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let own = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            #expect(try await server.introspect(own.accessToken, app).member("sub") == app.id)
        }
    }

    @Test func `a refresh token is told without a token_type, until it is used`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let reply = try await server.introspect(tokens.refreshToken, app)
            #expect(reply.json["active"] as? Bool == true)
            #expect(reply.json["token_type"] == nil)
            #expect(reply.json["exp"] as? Int64 == server.clock.now().secondsSince1970 + 30 * 86400)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
            expectInactive(try await server.introspect(tokens.refreshToken, app))
        }
    }

    @Test func `whatever is not valid gets one and the same answer`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.accessToken = .seconds(60) }
            let other = try await server.client("other")
            let expired = try await server.tokens(app)
            server.clock.advance(by: .seconds(60))
            let revoked = try await server.tokens(app)
            _ = try await server.revoke(revoked.refreshToken, app)
            let code = try await server.code(app)
            let foreign = try await server.tokens(other)
            let good = try #require(try await server.tokens(app).accessToken)
            let tokens = [
                expired.accessToken, revoked.accessToken, revoked.refreshToken, foreign.accessToken,
                foreign.refreshToken, code, "x", "tv_at_", String(good.dropLast()), good + "A",
                good.replacing("tv_at_", with: "tv_rt_"), String(repeating: "a", count: 60_000),
            ]
            var shapes: Set<[String]> = []
            for token in tokens {
                let reply = try await server.introspect(token, app)
                expectInactive(reply, "\(token?.prefix(20) ?? "")")
                // An oracle would have to speak through a header.
                shapes.insert(
                    reply.headers.filter { !["x-request-id", "date"].contains($0.name) }
                        .map { "\($0.name): \($0.value)" })
            }
            #expect(shapes.count == 1, "\(shapes)")
            #expect(try await server.introspect(good, app).json["active"] as? Bool == true)
        }
    }

    @Test func `disabled users and clients have no active tokens`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let resource = try await server.client("resource") { $0.mayIntrospect = true }
            let tokens = try await server.tokens(app)
            try await server.vault.users.disable("alice")
            expectInactive(try await server.introspect(tokens.accessToken, resource))
            expectInactive(try await server.introspect(tokens.refreshToken, app))
            try await server.vault.users.enable("alice")
            try await server.vault.clients.disable(app.id)
            expectInactive(try await server.introspect(tokens.accessToken, resource))
            #expect(try await server.introspect(tokens.accessToken, app).status == 401)
        }
    }

    /// A refresh token among them would pass for an access token at servers that look at `active` alone.
    @Test func `a resource server sees the access tokens of every client, and no refresh token`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let resource = try await server.client("resource") { $0.mayIntrospect = true }
            let tokens = try await server.tokens(app)
            let reply = try await server.introspect(tokens.accessToken, resource)
            #expect(reply.json["active"] as? Bool == true)
            #expect(reply.member("client_id") == app.id)
            expectInactive(try await server.introspect(tokens.refreshToken, resource))
        }
    }

    @Test(arguments: ["refresh_token", "access_token", "nonsense"])
    func `a wrong hint finds it anyway`(_ hint: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            for token in [tokens.accessToken, tokens.refreshToken] {
                #expect(try await server.introspect(token, app, hint: hint).json["active"] as? Bool == true)
            }
        }
    }

    @Test func `the first look at an access token closes the retry window, a stranger's does not`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            expectInactive(try await server.introspect(second.accessToken, other))
            _ = try await server.introspect(second.refreshToken, app)
            server.clock.advance(by: .seconds(11))
            #expect(try await server.refresh(first.refreshToken, app).refreshToken == second.refreshToken)
            #expect(try await server.introspect(second.accessToken, app).json["active"] as? Bool == true)
            #expect(try await server.refresh(first.refreshToken, app).error == "invalid_grant")
            expectInactive(try await server.introspect(second.accessToken, app))
        }
    }

    @Test func `a public client proves nothing and is told nothing`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let tokens = try await server.publicTokens(phone)
            let reply = try await server.introspect(tokens.accessToken, phone)
            #expect(reply.status == 401)
            #expect(reply.error == "invalid_client")
            #expect(reply.header("www-authenticate")?.hasPrefix("Basic realm=") == true)
        }
    }

    @Test func `a bearer token is no authentication here`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken ?? ""
            let reply = try await server.post(
                body: "token=\(token)", headers: ["Authorization: Bearer \(token)"],
                path: "/oauth2/introspect")
            #expect(reply.status == 401)
        }
    }
}
