import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 4.1: from the client's link to its tokens.
@Suite(.bounded) struct `RFC 6749 section 4.1, authorization request` {
    // RFC 7636 appendix B
    static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    @Test func `oidcc-server: a user signs in, allows, and the client has tokens`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let signIn = try await browser.authorize(app)
            #expect(signIn.status == 200)
            #expect(signIn.isPage)
            let signedIn = try await browser.signIn(signIn)
            #expect(signedIn.status == 303, "\(signedIn.text)")
            let consent = try await browser.follow(signedIn)
            #expect(consent.status == 200)
            #expect(consent.text.contains("app</bdi> asks for access"))
            let answer = try await browser.decide("allow", consent)
            #expect(answer.status == 303)
            #expect(answer.destination == Party.redirectURI)
            #expect(answer.answer["state"] == "af0ifjsldkj")
            #expect(answer.answer["iss"] == "http://127.0.0.1:\(server.port)")
            let tokens = try await server.redeem(try #require(answer.answer["code"]), app)
            #expect(tokens.status == 200)
            #expect(tokens.member("scope") == "basic")
            let entry = try #require(try await server.entries("grant.authorize").last)
            #expect(entry.requestID == answer.header("x-request-id"))
        }
    }

    @Test func `oidcc-server-with-PKCE: a public client redeems with its verifier`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(
                phone, ["code_challenge": Self.challenge, "code_challenge_method": "S256"])
            let tokens = try await server.post(
                [
                    "grant_type": "authorization_code", "code": answer.answer["code"] ?? "",
                    "redirect_uri": Party.redirectURI, "client_id": phone.id,
                    "code_verifier": Self.verifier,
                ])
            #expect(tokens.status == 200, "\(tokens.text)")
        }
    }

    @Test func `a name that repeats in scope, response_type or prompt is one name`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let asked = [
                "scope": "basic readmeasurements basic", "response_type": "code code",
                "prompt": "consent consent",
            ]
            let page = try await browser.authorize(app, asked)
            #expect(page.text.ranges(of: "<code class=\"key\">basic</code>").count == 1)
            let answer = try await browser.decide("allow", page)
            let tokens = try await server.redeem(try #require(answer.answer["code"], "\(answer.text)"), app)
            #expect(tokens.member("scope") == "basic readmeasurements")
            // It was remembered as what it is.
            let again = try await browser.authorize(
                app, ["scope": "readmeasurements basic basic", "prompt": "none none"])
            #expect(again.answer["code"] != nil)
        }
    }

    @Test func `a state may be as long as the request may be, through every page`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            // 8 KiB is the request, percent-encoded.
            let rest = Browser.query(app, ["state": ""]).utf8.count
            let state = String(repeating: "s", count: 8192 - rest)
            let page = try await browser.authorize(app, ["state": state])
            let consent = try await browser.follow(try await browser.signIn(page))
            let answer = try await browser.decide("allow", consent)
            #expect(answer.answer["state"] == state)
            #expect(try await server.redeem(answer.answer["code"] ?? "", app).status == 200)
            let posted = try await Browser(server).post(
                "/oauth2/authorize", body: Browser.query(app, ["state": state]))
            #expect(try await browser.follow(posted).answer["state"] == state)
            let longer = try await browser.authorize(app, ["state": state + "s"])
            #expect(longer.status == 400 && longer.isPage)
        }
    }

    @Test func `a denial goes to the client, and gives nothing`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.decide("deny", try await browser.authorize(app))
            #expect(answer.status == 303)
            #expect(answer.answer["error"] == "access_denied")
            #expect(answer.answer["state"] == "af0ifjsldkj")
            #expect(answer.answer["iss"] != nil)
            #expect(answer.answer["code"] == nil)
            #expect(try await server.vault.grants.list().isEmpty)
            // A no is not remembered as a yes.
            #expect(try await browser.authorize(app).status == 200)
        }
    }

    @Test func `oidcc-ensure-post-request-succeeds: POST asks the same`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            // From another site: the session's cookie does not come along.
            let elsewhere = Browser(server)
            let reply = try await elsewhere.post("/oauth2/authorize", body: Browser.query(app))
            #expect(reply.status == 303)
            let answer = try await browser.decide("allow", try await browser.follow(reply))
            #expect(answer.destination == Party.redirectURI)
            #expect(answer.answer["state"] == "af0ifjsldkj")
        }
    }

    // Row 22; RFC 9700 section 4.12.
    @Test func `no redirect is a 307 or a 302`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let replies = [
                try await browser.signIn(try await browser.authorize(app)),
                try await browser.authorize(app, ["scope": "no-such"]),
                try await browser.post("/oauth2/authorize", body: Browser.query(app)),
                try await browser.allow(app),
                try await browser.authorize(app),
            ]
            for reply in replies { #expect(reply.status == 303, "\(reply.text)") }
        }
    }

    // Row 23; RFC 9700 section 2.6.
    @Test func `no other origin may call it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let path = "/oauth2/authorize?" + Browser.query(app)
            for path in [path, "/sign-in", "/sign-out", "/account/consents", "/consent"] {
                for method in ["GET", "OPTIONS", "POST"] {
                    let reply = try await browser.send(
                        method, path, headers: ["Origin: https://evil.example"],
                        body: method == "POST" ? [] : nil)
                    #expect(
                        !reply.headers.contains { $0.name.hasPrefix("access-control") }, "\(method) \(path)")
                }
            }
        }
    }

    @Test(arguments: [
        "a b", "a+b", "a%2Bb", "a&b=c", "ä漢字", "\"<script>", "a%0D%0ASet-Cookie: x=1", "{\"a\":[1]}",
        "\r\nX: y", "#?;",
    ])
    func `state comes back untouched`(_ state: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app, ["state": state])
            #expect(answer.answer["state"] == state)
            let refused = try await browser.authorize(app, ["state": state, "scope": "no-such"])
            #expect(refused.answer["state"] == state)
            for reply in [answer, refused] {
                #expect(reply.headers.allSatisfy { $0.name != "x" && $0.name != "set-cookie" })
            }
        }
    }

    @Test func `a long request survives the sign-in`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await server.user(hasPassword: true)
            let browser = Browser(server)
            let state = String(repeating: "s", count: 2048)
            let page = try await browser.authorize(
                app, ["state": state, "nonce": String(repeating: "n", count: 512)])
            let consent = try await browser.follow(try await browser.signIn(page))
            let answer = try await browser.decide("allow", consent)
            #expect(answer.answer["state"] == state)
        }
    }

    @Test func `a request without scope asks for all that is registered`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app, ["scope": nil])
            let tokens = try await server.redeem(answer.answer["code"] ?? "", app)
            #expect(tokens.member("scope") == "basic readmeasurements")
        }
    }

    @Test func `the redirect URI keeps its own query`() async throws {
        try await TestServer.run { server in
            let uri = "https://app.example/cb?tenant=7&x=%20"
            let app = try await server.client { $0.redirectURIs = [uri] }
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app, ["redirect_uri": uri])
            #expect(answer.header("location")?.hasPrefix(uri + "&code=") == true)
            let tokens = try await server.redeem(answer.answer["code"] ?? "", app, redirectURI: uri)
            #expect(tokens.status == 200)
        }
    }

    @Test func `response_mode=fragment moves the answer, also when it is an error`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app, ["response_mode": "fragment"])
            #expect(answer.header("location")?.hasPrefix(Party.redirectURI + "#code=") == true)
            let error = try await browser.authorize(app, ["response_mode": "fragment", "scope": "no-such"])
            #expect(error.header("location")?.hasPrefix(Party.redirectURI + "#error=invalid_scope") == true)
        }
    }

    @Test func `what vanished between two steps is noticed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app)
            try await server.vault.clients.disable(app.id)
            let reply = try await browser.decide("allow", page)
            #expect(reply.status == 400)
            #expect(reply.isPage)
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }
}
