import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// What a user allowed is remembered, shown, and taken back.
@Suite(.bounded) struct `Consent is remembered until it is withdrawn` {
    @Test func `the page names the client, what it asks for, and where the answer goes`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(
                "Mood tracker", scope: "openid profile email offline_access basic readmeasurements x:custom")
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": nil])
            for text in [
                "Mood tracker", "alice", "Know who you are", "while you are away",
                "basic account information", "Read your measurements", "<code>x:custom</code>", "app.example",
                "Allow", "Deny",
            ] {
                #expect(page.text.contains(text), "\(text)")
            }
            #expect(!page.text.contains("writemeasurements"))
        }
    }

    @Test func `it says what the operator declared, and metadata name that`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(scope: "basic notes.read notes.write")
            try await server.vault.scopes.add("notes.read", text: "Read <your> notes")
            try await server.vault.scopes.add("notes.share", text: "Share your notes")
            try await server.vault.scopes.add("basic", text: "See your account")
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": nil])
            for text in [
                "Read &lt;your&gt; notes", "Use the permission <code>notes.write</code>", "See your account",
            ] { #expect(page.text.contains(text), "\(text)") }
            #expect(!page.text.contains("basic account information") && !page.text.contains("Share"))
            let path = "/.well-known/oauth-authorization-server"
            func named() async throws -> [String]? {
                try await server.send("GET", path).json["scopes_supported"] as? [String]
            }
            #expect(try await named() == ["basic", "notes.read", "notes.share", "notes.write"])
            try await server.vault.scopes.remove("notes.share")
            #expect(try await named() == ["basic", "notes.read", "notes.write"])
        }
    }

    @Test func `it promises what the issuer tells of users, and no more`() async throws {
        let texts = [
            "profile": "See your profile, such as your name", "email": "See your email address",
        ]
        for told in [[], ["email", "locale"], ["nickname"], ["email", "name"]] {
            try await TestServer.run(configure: { configuration, _ in
                configuration.claims = ClaimSource(told) { _, _ in [:] }
            }) { server in
                let app = try await server.client("app", scope: "openid profile email")
                let browser = Browser(server)
                try await browser.haveSession()
                let asked = try await browser.authorize(app, ["scope": nil])
                _ = try await browser.decide("allow", asked)
                let promised = [
                    "profile": told.contains("name") || told.contains("nickname"),
                    "email": told.contains("email"),
                ]
                for page in [asked, try await browser.get("/account/consents")] {
                    for (name, text) in texts {
                        #expect(page.text.contains(text) == promised[name], "\(name), \(told)")
                        let bare = page.text.contains("Use the permission <code>\(name)</code>")
                        #expect(bare != promised[name], "\(name), \(told)")
                    }
                }
            }
        }
    }

    @Test func `it is asked again for more, and not for less`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            _ = try await browser.allow(app, ["scope": "readmeasurements"])
            #expect(try await browser.authorize(app, ["scope": "readmeasurements"]).status == 303)
            #expect(try await browser.authorize(app, ["scope": "basic"]).status == 200)
            #expect(try await browser.authorize(app, ["scope": "basic readmeasurements"]).status == 200)
            _ = try await browser.allow(app, ["scope": "basic"])
            #expect(try await browser.authorize(app, ["scope": "basic readmeasurements"]).status == 303)
            #expect(try await browser.authorize(app, ["prompt": "consent"]).status == 200)
        }
    }

    @Test func `one user's consent is not another's, nor one client's another's`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let browser = Browser(server)
            try await browser.haveSession()
            _ = try await browser.allow(app)
            #expect(try await browser.authorize(other).status == 200)
            try await browser.haveSession("bob")
            #expect(try await browser.authorize(app).status == 200)
        }
    }

    // RFC 8252 section 8.6.
    @Test(arguments: ["http://127.0.0.1:4000/cb", "com.example.app:/cb"])
    func `a public client on a device is asked about each time`(_ uri: String) async throws {
        try await TestServer.run { server in
            let phone = try await server.client(grants: [.authorizationCode, .refreshToken]) {
                $0.authenticationMethods = [.none]
                $0.redirectURIs = [uri]
            }
            let browser = Browser(server)
            try await browser.haveSession()
            let ask = [
                "redirect_uri": uri, "code_challenge_method": "S256",
                "code_challenge": `RFC 6749 section 4.1, authorization request`.challenge,
            ]
            #expect(try await browser.allow(phone, ask).answer["code"] != nil)
            #expect(try await browser.authorize(phone, ask).status == 200)
            let silent = try await browser.authorize(phone, ask.merging(["prompt": "none"]) { $1 })
            #expect(silent.answer["error"] == "consent_required")
        }
    }

    @Test func `a withdrawn consent is asked for again, and its grants are dead`() async throws {
        try await TestServer.run { server in
            let app = try await server.client("Mood tracker")
            let other = try await server.client("Other")
            let browser = Browser(server)
            try await browser.haveSession()
            let kept = try await server.redeem(try await browser.allow(other).answer["code"] ?? "", other)
            let tokens = try await server.redeem(try await browser.allow(app).answer["code"] ?? "", app)
            #expect(try await server.isGood(tokens.accessToken))

            let list = try await browser.get("/account/consents")
            #expect(list.text.contains("Mood tracker"))
            #expect(list.text.contains("2026-01-05"))
            // The first entry is the other one, the second ours.
            let forms = list.text.components(separatedBy: "name=\"form\" value=\"").dropFirst()
                .map { String($0.prefix { $0 != "\"" }) }
            #expect(forms.count == 2)
            let done = try await browser.post("/account/consents", ["form": try #require(forms.last)])
            let after = try await browser.follow(done)
            #expect(after.text.contains("role=\"status\""))
            #expect(!after.text.contains("Mood tracker"))

            #expect(try await !server.isGood(tokens.accessToken))
            #expect(try await server.refresh(tokens.refreshToken, app).error == "invalid_grant")
            #expect(try await server.isGood(kept.accessToken))
            #expect(try await browser.authorize(app).status == 200)
            #expect(try await browser.authorize(other).status == 303)
        }
    }

    @Test func `the list wants a sign-in and comes back`() async throws {
        try await TestServer.run { server in
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let page = try await browser.get("/account/consents")
            #expect(page.text.contains("name=\"password\""))
            let list = try await browser.follow(try await browser.signIn(page))
            #expect(list.text.contains("alice"))
            #expect(list.text.contains("No application may use it."))
        }
    }
}
