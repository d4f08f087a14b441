import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 3.3, OpenID Connect Core section 3.1.2.1: applications ask for more names than a server knows.
@Suite(.bounded) struct `RFC 6749 section 3.3, scope of an authorization request` {
    @Test func `a name that no client is registered for is left out, and the answer tells`() async throws {
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

    @Test func `a name of another client is refused until no client has it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let ask: [String: String?] = ["scope": "basic admin"]
            #expect(try await browser.authorize(app, ask).status == 200)
            let other = try await server.client("other", scope: "admin")
            #expect(try await browser.authorize(app, ask).answer["error"] == "invalid_scope")
            try await server.vault.clients.disable(other.id)
            #expect(try await browser.authorize(app, ask).answer["error"] == "invalid_scope")
            try await server.vault.clients.remove(other.id)
            #expect(try await browser.authorize(app, ask).status == 200)
        }
    }

    @Test func `a page from before gives no name that another client was registered for since`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": "basic admin"])
            _ = try await server.client("other", scope: "admin")
            #expect(try await browser.decide("allow", page).answer["error"] == "invalid_scope")
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
