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
