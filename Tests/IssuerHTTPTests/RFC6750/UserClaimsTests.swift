import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// OpenID Connect Core section 5.4: what the vault keeps of its users is told by the scopes `profile` and `email`.
@Suite(.bounded) struct `OpenID Connect Core section 5.4, claims of the vault's users` {
    private func serve(
        _ body: @Sendable (TestServer, NotedClaims) async throws -> Void
    ) async throws {
        let noted = NotedClaims()
        try await TestServer.run(configure: { configuration, _ in configuration.idTokens = noted }) {
            server in
            _ = try await server.vault.users.add("Alice")
            try await server.vault.users.setClaims(of: "Alice") {
                $0.name = "Alice Ä."
                $0.email = "alice@example.com"
                $0.locale = "de"
            }
            try await body(server, noted)
        }
    }

    private func told(_ server: TestServer, _ tokens: Reply) async throws -> Reply {
        try await server.send(
            "GET", "/oauth2/userinfo", ["Authorization: Bearer \(tokens.accessToken ?? "")"])
    }

    @Test func `userinfo and the id_token say the same, at the first token and at a refresh`() async throws {
        try await serve { server, noted in
            let app = try await server.client(scope: "openid profile email")
            let expected: [String: [String: ClaimValue]] = [
                "openid": [:],
                "openid profile": [
                    "name": "Alice Ä.", "preferred_username": "Alice", "locale": "de",
                ],
                "openid email": ["email": "alice@example.com", "email_verified": false],
                "openid profile email": [
                    "name": "Alice Ä.", "preferred_username": "Alice", "locale": "de",
                    "email": "alice@example.com", "email_verified": false,
                ],
            ]
            for (scope, claims) in expected {
                let tokens = try await server.tokens(app, user: "Alice", scope: scope)
                #expect(noted.last?.additional == claims, "\(scope)")
                let reply = try await told(server, tokens)
                #expect(Set(reply.json.keys) == Set(claims.keys).union(["sub"]), "\(scope)")
                if case .string(let email)? = claims["email"] { #expect(reply.member("email") == email) }
                _ = try await server.refresh(tokens.refreshToken, app)
                #expect(noted.last?.additional == claims, "\(scope)")
                #expect(noted.last?.nonce == nil)
            }
            #expect(!server.log.all.joined().contains("alice@example.com"))
        }
    }

    @Test func `a change is told at the next request, and a refresh with less scope tells less`() async throws
    {
        try await serve { server, noted in
            let app = try await server.client(scope: "openid profile email")
            let tokens = try await server.tokens(app, user: "Alice", scope: "openid profile email")
            try await server.vault.users.setClaims(of: "Alice") {
                $0.preferredUsername = "al"
                $0.isEmailVerified = true
            }
            let reply = try await told(server, tokens)
            #expect(reply.member("preferred_username") == "al")
            #expect(reply.json["email_verified"] as? Bool == true)
            let narrow = try await server.refresh(tokens.refreshToken, app, scope: "openid email")
            #expect(noted.last?.additional.keys.sorted() == ["email", "email_verified"])
            #expect(try await told(server, narrow).json.keys.sorted() == ["email", "email_verified", "sub"])
        }
    }

    @Test func `of a user with nothing set only the name is told, and nothing of another user`() async throws
    {
        try await serve { server, noted in
            let app = try await server.client(scope: "openid profile email")
            let tokens = try await server.tokens(app, user: "bob", scope: "openid profile email")
            #expect(noted.last?.additional == ["preferred_username": "bob"])
            #expect(try await told(server, tokens).json.keys.sorted() == ["preferred_username", "sub"])
            // A client that asks without openid gets no id_token and no answer at userinfo.
            let without = try await server.tokens(app, user: "Alice", scope: "profile email")
            #expect(try await told(server, without).status == 403)
        }
    }

    @Test func `the implicit flow tells them too, and metadata lists them`() async throws {
        try await serve { server, noted in
            let app = try await server.client(scope: "openid email") {
                $0.responseTypes = [.idToken]
                $0.grantTypes = []
            }
            let browser = Browser(server)
            try await browser.haveSession("Alice")
            let page = try await browser.authorize(
                app, ["response_type": "id_token", "scope": "openid email", "nonce": "n"])
            #expect(page.text.contains("See your email address"))
            #expect(try await browser.decide("allow", page).answer["id_token"] != nil)
            #expect(noted.last?.additional["email"] == "alice@example.com")
            let metadata = try await server.send("GET", "/.well-known/openid-configuration").json
            let claims = try #require(metadata["claims_supported"] as? [String])
            #expect(
                Set(claims).isSuperset(of: [
                    "name", "preferred_username", "locale", "email", "email_verified",
                ]))
        }
    }
}
