import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 3.3, OpenID Connect Core section 3.1.2.1: applications ask for more names than a server knows.
@Suite(.bounded) struct `RFC 6749 section 3.3, scope of an authorization request` {
    @Test func `a name that the client is not registered for is left out, and the answer tells`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            let user = try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": "profile basic offline_access basic x:y"])
            #expect(page.status == 200)
            for name in ["profile", "offline_access", "x:y"] { #expect(!page.text.contains(name)) }
            let answer = try await browser.decide("allow", page)
            let tokens = try await server.redeem(answer.answer["code"] ?? "", app)
            #expect(tokens.status == 200)
            #expect(tokens.member("scope") == "basic")
            #expect(try await server.vault.consents.list(ofUser: user.id).map(\.scope.text) == ["basic"])
            // What is asked in the same words is not asked again.
            let again = try await browser.authorize(app, ["scope": "profile basic", "prompt": "none"])
            #expect(again.answer["code"] != nil)
        }
    }

    @Test func `what metadata name may be asked for, and each client gets what it is registered for`()
        async throws
    {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "mcp.read mcp.write")
            let other = try await server.client("other", scope: "openid admin")
            let path = "/.well-known/oauth-authorization-server"
            let named = try #require(try await server.send("GET", path).json["scopes_supported"] as? [String])
            #expect(named == ["openid", "admin", "mcp.read", "mcp.write"])
            let browser = Browser(server)
            try await browser.haveSession()
            for (client, scope) in [(app, "mcp.read mcp.write"), (other, "openid admin")] {
                let answer = try await browser.allow(client, ["scope": named.joined(separator: " ")])
                let tokens = try await server.redeem(answer.answer["code"] ?? "", client)
                #expect(tokens.member("scope") == scope)
            }
        }
    }

    @Test func `offline_access is no reason to refuse, whoever else was registered for it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other", scope: "basic offline_access")
            let browser = Browser(server)
            try await browser.haveSession()
            let ask: [String: String?] = ["scope": "basic offline_access"]
            let answer = try await browser.allow(app, ask)
            let tokens = try await server.redeem(answer.answer["code"] ?? "", app)
            #expect(tokens.member("scope") == "basic")
            // What makes a refresh token is the registration.
            let again = try await server.refresh(tokens.refreshToken, app, scope: "basic offline_access")
            #expect(again.status == 200 && again.member("scope") == "basic")
            #expect(
                try await server.refresh(again.refreshToken, app, scope: "readmeasurements offline_access")
                    .error == "invalid_scope")
            // An operator who registers a client for it is taken at the word.
            let named = try await browser.allow(other, ask)
            let more = try await server.redeem(named.answer["code"] ?? "", other)
            #expect(more.member("scope") == "basic offline_access")
        }
    }

    @Test func `metadata name no more than one request can hold`() async throws {
        try await TestServer.run { server in
            for part in 0..<4 {
                let names = (0..<30).map { "scope-\(part)-\($0)-" + String(repeating: "x", count: 10) }
                _ = try await server.client("app \(part)", scope: names.joined(separator: " "))
            }
            let path = "/.well-known/oauth-authorization-server"
            let named = try #require(try await server.send("GET", path).json["scopes_supported"] as? [String])
            #expect(named.count > 30)
            #expect(ScopeSet(parsing: named.joined(separator: " ")) != nil)
        }
    }

    @Test func `a page from before gives no name that the client was registered for since`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": "basic admin"])
            _ = try await server.vault.clients.change(app.id) {
                $0.scope = ScopeSet(parsing: "basic admin") ?? .empty
            }
            let again = try await browser.decide("allow", page)
            #expect(again.status == 200 && again.text.contains("admin"))
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test func `where no name is left, nothing is given`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid basic") { $0.responseTypes.append(.idToken) }
            let browser = Browser(server)
            try await browser.haveSession()
            let ask: [String: String?] = ["response_type": "id_token", "nonce": "n", "scope": "email phone"]
            #expect(try await browser.authorize(app, ask).answer["error"] == "invalid_scope")
            #expect(try await browser.authorize(app, ["scope": "email"]).answer["error"] == "invalid_scope")
            let openID = try await browser.authorize(
                app, ask.merging(["scope": "email openid"]) { $1 })
            #expect(openID.status == 200)
        }
    }

    @Test func `at the token endpoint an unknown name stays an error`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let own = try await server.post(
                ["grant_type": "client_credentials", "scope": "basic profile"], authorization: app.basic)
            #expect(own.error == "invalid_scope")
            let tokens = try await server.tokens(app)
            let refused = try await server.refresh(tokens.refreshToken, app, scope: "basic profile")
            #expect(refused.error == "invalid_scope")
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }
}
