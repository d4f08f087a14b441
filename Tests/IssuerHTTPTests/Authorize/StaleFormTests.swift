import TestSupport
import Testing
import TokenVault
import TokenVaultTesting

/// Several tabs, pages that stayed open, and the back button: a form that does not count any more leads to one that does.
@Suite(.bounded) struct `Forms that are out of date lead on` {
    private func isConsent(_ reply: Reply) -> Bool {
        reply.status == 200 && reply.text.contains("name=\"decision\"")
    }

    /// Two sign-in pages asked for at one moment by a browser without cookies; it keeps the cookie of the second.
    private func twoPages(_ server: TestServer, _ app: Party) async throws -> (Browser, first: Reply, Reply) {
        let first = try await Browser(server).authorize(app, ["state": "first"])
        let browser = Browser(server)
        return (browser, first, try await browser.authorize(app, ["state": "second"]))
    }

    @Test func `of two sign-in pages that opened together both lead to the application`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let (browser, first, second) = try await twoPages(server, app)
            let consent = try await browser.follow(try await browser.signIn(second))
            #expect(isConsent(consent))
            let session = browser.session
            // The name in another spelling is the same user; the password is not looked at.
            let other = try await browser.follow(
                try await browser.signIn(first, as: " Ａlice ", password: "wrong password"))
            #expect(isConsent(other))
            #expect(browser.session == session)
            for (page, state) in [(consent, "second"), (other, "first")] {
                let answer = try await browser.decide("allow", page).answer
                #expect(answer["state"] == state)
                #expect(answer["code"] != nil)
            }
        }
    }

    @Test func `the one whose cookie was replaced is shown again, and then it works`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let (browser, first, second) = try await twoPages(server, app)
            let again = try await browser.signIn(first)
            #expect(again.status == 409)
            #expect(again.text.contains("Another sign-in page was opened after this one."))
            #expect(again.text.contains("value=\"alice\""))
            #expect(!again.text.contains("aria-invalid"))
            #expect(!again.text.contains(Browser.password))
            #expect(browser.session == nil)
            let consent = try await browser.follow(try await browser.signIn(again))
            #expect(isConsent(consent))
            #expect(try await browser.decide("allow", consent).answer["state"] == "first")
            // What is allowed now is not asked again.
            let other = try await browser.follow(try await browser.signIn(second))
            #expect(other.answer["state"] == "second")
            #expect(other.answer["code"] != nil)
        }
    }

    // A code for alice must not go out where bob's password was typed.
    @Test func `a page from before does not go on as another user than was typed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            _ = try await server.user("bob", hasPassword: true)
            let (browser, first, second) = try await twoPages(server, app)
            _ = try await browser.signIn(second)
            let again = try await browser.signIn(first, as: "bob")
            #expect(again.status == 409)
            let consent = try await browser.follow(try await browser.signIn(again, as: "bob"))
            #expect(consent.text.contains("<bdi>bob</bdi>"))
        }
    }

    @Test func `a browser that keeps no cookie is told so`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let page = try await Browser(server).authorize(app)
            let reply = try await Browser(server).signIn(page)
            #expect(reply.status == 409)
            #expect(reply.text.contains("Allow cookies for this site"))
            #expect(reply.field("form") != nil)
            #expect(reply.header("set-cookie") != nil)
        }
    }

    @Test func `a consent page of a session that was replaced leads to a new one`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            try await browser.haveSession()
            let open = try await browser.authorize(app)
            _ = try await browser.signIn(try await browser.get("/sign-in"))
            let reply = try await browser.decide("allow", open)
            #expect(reply.leadsBack)
            #expect(try await server.vault.grants.list().isEmpty)
            let consent = try await browser.follow(reply)
            #expect(isConsent(consent))
            let answer = try await browser.decide("allow", consent).answer
            #expect(answer["state"] == "af0ifjsldkj")
            #expect(try await server.redeem(answer["code"] ?? "", app).status == 200)
        }
    }

    @Test func `pages that were open for hours still count`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.authorize(app)
            server.clock.advance(by: .seconds(3 * 3600))
            let consent = try await browser.follow(try await browser.signIn(page))
            server.clock.advance(by: .seconds(3 * 3600))
            #expect(try await browser.decide("allow", consent).answer["code"] != nil)
        }
    }

    @Test func `a sign-in that was asked for is not from long before the answer`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.authorize(app, ["prompt": "login"])
            server.clock.advance(by: .seconds(3600))
            let consent = try await browser.follow(try await browser.signIn(page))
            #expect(isConsent(consent))
            server.clock.advance(by: .seconds(30 * 60 + 1))
            let asked = try await browser.decide("allow", consent)
            #expect(asked.text.contains("name=\"password\""))
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test func `lists and sign-out show what holds now`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            _ = try await browser.allow(app)
            let paths = ["/account/consents", "/sign-out"]
            var forms: [String] = []
            for path in paths { forms.append(try #require(try await browser.get(path).field("form"))) }
            try await browser.haveSession()
            for (path, form) in zip(paths, forms) {
                let reply = try await browser.post(path, ["form": form])
                #expect(reply.header("location") == path)
                #expect(try await browser.follow(reply).field("form") != nil)
            }
            #expect(try await server.vault.consents.list().count == 1)
        }
    }
}
