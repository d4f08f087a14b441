import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 6749 section 10.12, RFC 9700 section 4: what others can do with a user's browser.
@Suite(.bounded) struct `RFC 9700 section 4, attacks on the authorization endpoint` {
    @Test func `CSRF on consent: only the form shown in this very session counts`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let victim = Browser(server)
            try await victim.haveSession()
            // The attacker has an account, and so a form of its own.
            let attacker = Browser(server)
            try await attacker.haveSession("mallory")
            let page = try await attacker.authorize(app)
            // It leads to the victim's own page, and decides nothing.
            let back = try await victim.follow(try await victim.decide("allow", page))
            #expect(back.text.contains("<bdi>alice</bdi>") && back.field("form") != nil)
            // The same user in another browser.
            let elsewhere = Browser(server)
            try await elsewhere.haveSession()
            let again = try await victim.decide("allow", try await elsewhere.authorize(app))
            #expect(again.leadsBack)
            for form in ["", "x", String(repeating: "A", count: 400)] {
                #expect(try await victim.post("/consent", ["form": form, "decision": "allow"]).status == 400)
            }
            #expect(try await victim.post("/consent", ["decision": "allow"]).status == 400)
            #expect(try await server.vault.grants.list().isEmpty)
            #expect(try await server.vault.consents.list().isEmpty)
        }
    }

    @Test func `a form counts for what it was shown for, while its session lasts`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let signOut = try #require(try await browser.get("/sign-out").field("form"))
            let consent = try await browser.authorize(app)
            let form = try #require(consent.field("form"))
            #expect(try await browser.post("/consent", ["form": signOut, "decision": "allow"]).status == 400)
            #expect(try await browser.post("/sign-out", ["form": form]).status == 400)
            #expect(try await browser.post("/account/consents", ["form": form]).status == 400)
            #expect(try await browser.post("/consent", ["form": form, "decision": "maybe"]).leadsBack)
            #expect(try await browser.post("/consent", ["form": form]).leadsBack)
            let twice = try await browser.post("/consent", body: "form=\(form)&decision=deny&decision=allow")
            #expect(twice.status == 400)
            server.clock.advance(by: .seconds(86_401))
            #expect(try await browser.decide("allow", consent).leadsBack)
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test(arguments: ["cross-site", "same-site"])
    func `what a browser says comes from elsewhere is refused`(_ site: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.authorize(app)
            let header = ["Sec-Fetch-Site: \(site)"]
            let signIn = try await browser.post(
                "/sign-in",
                ["form": page.field("form") ?? "", "user": "alice", "password": Browser.password],
                headers: header)
            #expect(signIn.status == 403)
            try await browser.haveSession()
            let form = try #require(try await browser.authorize(app).field("form"))
            let reply = try await browser.post(
                "/consent", ["form": form, "decision": "allow"], headers: header)
            #expect(reply.status == 403)
            let own = try await browser.post(
                "/consent", ["form": form, "decision": "allow"], headers: ["Sec-Fetch-Site: same-origin"])
            #expect(own.status == 303)
        }
    }

    @Test func `login CSRF: nobody signs another's browser in`() async throws {
        try await TestServer.run { server in
            _ = try await server.user("mallory", hasPassword: true)
            let attacker = Browser(server)
            let page = try await attacker.get("/sign-in")
            let form = try #require(page.field("form"))
            let victim = Browser(server)
            for cookie in [nil, "AAAAAAAAAAAAAAAAAAAAAA"] {
                victim.setCookie(victim.sessionCookie + "-form", cookie)
                let reply = try await victim.post(
                    "/sign-in", ["form": form, "user": "mallory", "password": Browser.password])
                #expect(reply.status == 409)
                #expect(victim.session == nil)
            }
            // Nor is a session replaced.
            let alice = try await victim.haveSession()
            let reply = try await victim.post(
                "/sign-in", ["form": form, "user": "mallory", "password": Browser.password])
            #expect(reply.status == 409)
            let session = try #require(victim.session)
            #expect(try await server.vault.session(SecretBytes(copying: session))?.user.id == alice.id)
        }
    }

    @Test func `CSRF on sign-out and on withdrawal`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let victim = Browser(server)
            try await victim.haveSession()
            _ = try await victim.allow(app)
            let attacker = Browser(server)
            try await attacker.haveSession("mallory")
            _ = try await attacker.allow(app)
            for path in ["/sign-out", "/account/consents"] {
                let form = try #require(try await attacker.get(path).field("form"))
                #expect(try await victim.post(path, ["form": form]).header("location") == path)
            }
            #expect(try await server.vault.consents.list().count == 2)
            #expect(try await victim.authorize(app).status == 303)
        }
    }

    @Test func `code injection: a code is of no use to another client or another verifier`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let browser = Browser(server)
            try await browser.haveSession()
            let challenged = [
                "code_challenge": `RFC 6749 section 4.1, authorization request`.challenge,
                "code_challenge_method": "S256",
            ]
            let stolen = try await browser.allow(app, challenged).answer["code"] ?? ""
            #expect(try await server.redeem(stolen, other).error == "invalid_grant")
            // Injected into another session of the same client, which has another verifier, or none.
            #expect(try await server.redeem(stolen, app).error == "invalid_grant")
            let form: Form = [
                "grant_type": "authorization_code", "code": stolen, "redirect_uri": Party.redirectURI,
                "code_verifier": String(repeating: "a", count: 43),
            ]
            #expect(try await server.post(form, authorization: app.basic).error == "invalid_grant")
        }
    }

    // RFC 9700 section 4.8.2.
    @Test func `PKCE downgrade: a request stripped of its challenge gives a code that no verifier redeems`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let code = try await browser.allow(app).answer["code"] ?? ""
            let form: Form = [
                "grant_type": "authorization_code", "code": code, "redirect_uri": Party.redirectURI,
                "code_verifier": `RFC 6749 section 4.1, authorization request`.verifier,
            ]
            #expect(try await server.post(form, authorization: app.basic).error == "invalid_grant")
        }
    }

    // Row 126; RFC 9207 section 2, RFC 9700 section 4.4.
    @Test func `mix-up: every answer says whose it is`() async throws {
        try await TestServer.run(issuer: "https://id.example/tenant") { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app)
            #expect(page.text.contains("action=\"/tenant/consent\""))
            let answers = [
                try await browser.decide("allow", page), try await browser.authorize(app),
                try await browser.authorize(app, ["scope": "no-such"]),
                try await Browser(server).authorize(app, ["prompt": "none"]),
            ]
            for answer in answers { #expect(answer.answer["iss"] == "https://id.example/tenant") }
        }
    }

    @Test func `open redirect: a page leads on only to what was sealed here`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            for path in [
                "/oauth2/authorize?continue=https://evil.example/", "/oauth2/authorize?continue=",
                "/oauth2/authorize?continue=\(String(repeating: "A", count: 300))",
            ] {
                let reply = try await browser.get(path)
                #expect(reply.status == 400)
                #expect(reply.header("location") == nil)
            }
            let page = try await browser.get("/sign-in?return=https://evil.example/&returnTo=//evil.example")
            let reply = try await browser.post(
                "/sign-in?returnTo=https://evil.example/",
                [
                    "form": page.field("form") ?? "", "user": "alice", "password": Browser.password,
                    "returnTo": "https://evil.example/",
                ])
            #expect(reply.header("location") == "/account/consents")
            #expect(try await browser.authorize(app).status == 200)
        }
    }

    @Test func `the log has no code, state, cookie or secret of a query`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.authorize(
                app, ["client_secret": app.secret, "clientSecret": app.secret, "state": "a-state-to-hide"])
            let consent = try await browser.follow(try await browser.signIn(page))
            let answer = try await browser.decide("allow", consent)
            let code = try #require(answer.answer["code"])
            #expect(answer.answer["client_secret"] == nil)
            let hidden = [
                code, "a-state-to-hide", app.secret ?? "?", browser.session ?? "?",
                Browser.password,
            ]
            for line in server.log.all {
                for word in hidden { #expect(!line.contains(word)) }
            }
        }
    }
}
