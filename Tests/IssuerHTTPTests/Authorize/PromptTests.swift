import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// OpenID Connect Core section 3.1.2.1: `prompt`, `max_age` and `login_hint`.
@Suite(.bounded) struct `OpenID Connect Core section 3.1.2.1, prompt and max_age` {
    private func isSignIn(_ reply: Reply) -> Bool {
        reply.status == 200 && reply.text.contains("name=\"password\"")
    }
    private func isConsent(_ reply: Reply) -> Bool {
        reply.status == 200 && reply.text.contains("name=\"decision\"")
    }

    @Test func `oidcc-prompt-none-not-logged-in`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await Browser(server).authorize(app, ["prompt": "none"])
            #expect(reply.status == 303)
            #expect(reply.answer["error"] == "login_required")
            #expect(reply.answer["state"] == "af0ifjsldkj")
        }
    }

    @Test func `oidcc-prompt-none-logged-in: only what was allowed before`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let first = try await browser.authorize(app, ["prompt": "none"])
            #expect(first.answer["error"] == "consent_required")
            _ = try await browser.allow(app)
            let again = try await browser.authorize(app, ["prompt": "none"])
            #expect(again.answer["code"] != nil)
            let more = try await browser.authorize(
                app, ["prompt": "none", "scope": "basic readmeasurements"])
            #expect(more.answer["error"] == "consent_required")
        }
    }

    @Test(arguments: ["login", "select_account", "login consent"])
    func `oidcc-prompt-login: the user signs in again, once`(_ prompt: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            try await browser.haveSession()
            server.clock.advance(by: .seconds(60))
            let page = try await browser.authorize(app, ["prompt": prompt])
            #expect(isSignIn(page))
            server.clock.advance(by: .seconds(60))
            let next = try await browser.follow(try await browser.signIn(page))
            #expect(isConsent(next))
            #expect(try await browser.decide("allow", next).answer["code"] != nil)
            // The next request asks anew.
            server.clock.advance(by: .seconds(60))
            #expect(isSignIn(try await browser.authorize(app, ["prompt": prompt])))
        }
    }

    @Test func `a sign-in from before the request does not do, wherever it is shown`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            server.clock.advance(by: .seconds(60))
            let reply = try await browser.post(
                "/oauth2/authorize", body: Browser.query(app, ["prompt": "login"]))
            #expect(isSignIn(try await browser.follow(reply)))
            #expect(isSignIn(try await browser.follow(reply)))
        }
    }

    @Test func `oidcc-max-age-1: an older sign-in is repeated`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            try await browser.haveSession()
            server.clock.advance(by: .seconds(2))
            let page = try await browser.authorize(app, ["max_age": "1"])
            #expect(isSignIn(page))
            let consent = try await browser.follow(try await browser.signIn(page))
            #expect(isConsent(consent))
            // However long it takes to read the page.
            server.clock.advance(by: .seconds(120))
            #expect(try await browser.decide("allow", consent).answer["code"] != nil)
        }
    }

    @Test func `oidcc-max-age-10000: a newer one will do`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            server.clock.advance(by: .seconds(9999))
            #expect(isConsent(try await browser.authorize(app, ["max_age": "10000"])))
            server.clock.advance(by: .seconds(2))
            #expect(isSignIn(try await browser.authorize(app, ["max_age": "10000"])))
            let silent = try await browser.authorize(app, ["max_age": "10000", "prompt": "none"])
            #expect(silent.answer["error"] == "login_required")
        }
    }

    @Test func `oidcc-login-hint: it is only a suggestion`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            let page = try await browser.authorize(app, ["login_hint": "bob@example.com"])
            #expect(page.field("form") != nil)
            #expect(page.text.contains("value=\"bob@example.com\""))
        }
    }

    /// A hint about a user, as ``FixedKeys`` reads it.
    private func hint(_ server: TestServer, _ app: Party, about user: User) -> String {
        "\(server.issuer) \(app.id) \(server.vault.users.subject(of: user.id))"
    }

    @Test func `oidcc-id-token-hint: the user it is about goes on, another does not`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client()
            let browser = Browser(server)
            let alice = try await browser.haveSession()
            let bob = try await server.user("bob", hasPassword: true)
            _ = try await browser.allow(app)
            server.clock.advance(by: .seconds(60))
            let own = ["id_token_hint": hint(server, app, about: alice)]
            let silent = ["id_token_hint": hint(server, app, about: bob), "prompt": "none"]
            #expect(try await browser.authorize(app, own).answer["code"] != nil)
            let same = try await browser.authorize(app, own.merging(["prompt": "none"]) { $1 })
            #expect(same.answer["code"] != nil)
            let other = try await browser.authorize(app, silent)
            #expect(other.answer["error"] == "login_required")
            #expect(other.answer["code"] == nil)
            // Without prompt=none the other user may sign in.
            let page = try await browser.authorize(app, ["id_token_hint": silent["id_token_hint"]])
            #expect(isSignIn(page))
            let consent = try await browser.follow(try await browser.signIn(page, as: "bob"))
            #expect(isConsent(consent))
            #expect(consent.text.contains("<bdi>bob</bdi>"))
            #expect(try await browser.decide("allow", consent).answer["code"] != nil)
            #expect(try await browser.authorize(app, silent).answer["code"] != nil)
        }
    }

    @Test func `who signs in and is not the one of the hint gets nothing`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let bob = try await server.user("bob")
            let browser = Browser(server)
            let page = try await browser.authorize(
                app, ["id_token_hint": hint(server, app, about: bob), "login_hint": "alice"])
            let reply = try await browser.follow(try await browser.signIn(page))
            #expect(reply.answer["error"] == "login_required")
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test func `a hint that cannot be verified counts for nothing, which is not enough without a page`()
        async throws
    {
        try await TestServer.runOpenID { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let browser = Browser(server)
            let alice = try await browser.haveSession()
            _ = try await browser.allow(app)
            for hint in ["x.y.z", "nonsense", hint(server, other, about: alice)] {
                #expect(try await browser.authorize(app, ["id_token_hint": hint]).answer["code"] != nil)
                let silent = try await browser.authorize(app, ["id_token_hint": hint, "prompt": "none"])
                #expect(silent.answer["error"] == "login_required")
            }
        }
    }

    @Test(arguments: [
        ["display": "page"], ["ui_locales": "se"], ["claims_locales": "se"], ["acr_values": "1 2"],
        ["extra": "foobar"], ["id_token_hint": "x.y.z"], ["claims": "{}"],
        ["platform": "web", "register": "true"],
    ])
    func `oidcc-ensure-request-with-unknown-parameter-succeeds`(_ extra: [String: String]) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await browser.allow(app, extra).answer["code"] != nil)
        }
    }
}
