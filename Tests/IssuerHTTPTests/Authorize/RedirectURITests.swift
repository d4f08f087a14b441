import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// RFC 9700 section 4.1, RFC 8252 section 7.3: where an answer may go.
@Suite(.bounded) struct `RFC 9700 section 4.1, redirect URIs` {
    private func reply(
        to asked: String, registered: [String], _ server: TestServer
    ) async throws -> Reply {
        let app = try await server.client { $0.redirectURIs = registered }
        // What cannot be asked for now is an error of the client, and shows where errors go.
        return try await Browser(server).authorize(app, ["redirect_uri": asked, "prompt": "none"])
    }

    @Test(arguments: [
        "https://app.example/callback/", "https://app.example/Callback", "https://APP.example/callback",
        "HTTPS://app.example/callback", "https://app.example:443/callback",
        "https://app.example:444/callback",
        "http://app.example/callback", "https://app.example/callback?x=1", "https://app.example/callback#",
        "https://app.example/callback#f", "https://app.example/callback%2F", "https://app.example/%63allback",
        "https://app.example/./callback", "https://app.example/x/../callback",
        "https://app.example/x/%2e%2e/callback", "https://app.example//callback",
        "https://user@app.example/callback", "https://app.example@evil.example/callback",
        "https://app.example\\@evil.example/callback", "https://evil.example/callback",
        "https://app.example.evil.example/callback", "https://sub.app.example/callback",
        "https://app.example./callback", "https://app.example/callback\t", " https://app.example/callback",
        "https://app.example/callbac", "https://app.example/callbackx", "//app.example/callback", "/callback",
        "https://app.example/callback\r\nSet-Cookie: x=1", "https://app.example/callback%0d%0aX:y",
        "https://app.example/callback%00", "https://app.example/callback;x",
        "https:\\\\app.example\\callback",
        "https:/app.example/callback", "https:app.example/callback", "https://app.example\\callback",
        "https://app%2eexample/callback", "https://app.example%2fcallback",
        "https://\u{430}pp.example/callback",
        "https://app.example/callback/..;/", "https://app.example/%2e/callback",
        "javascript:alert(1)", "data:text/html,x", "https://xn--app-example/callback",
    ])
    func `oidcc-ensure-registered-redirect-uri: what is not the same is not followed`(_ asked: String)
        async throws
    {
        try await TestServer.run { server in
            let reply = try await reply(to: asked, registered: [Party.redirectURI], server)
            #expect(reply.status == 400)
            #expect(reply.isPage)
            #expect(reply.header("location") == nil)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1:1/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"), ("http://[::1]/cb", "http://[::1]:51004/cb"),
        ("http://[::1]:9/cb?a=b", "http://[::1]:65535/cb?a=b"),
    ])
    func `a loopback address may have another port`(_ registered: String, _ asked: String) async throws {
        try await TestServer.run { server in
            let reply = try await reply(to: asked, registered: [registered], server)
            #expect(reply.status == 303)
            #expect(reply.header("location")?.hasPrefix(asked) == true)
        }
    }

    @Test(arguments: [
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb/"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb?x=1"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb#f"),
        ("http://127.0.0.1/cb", "http://localhost:51004/cb"), ("http://localhost/cb", "http://127.0.0.1/cb"),
        ("http://localhost/cb", "http://localhost:51004/cb"),
        ("http://127.0.0.1/cb", "http://[::1]:51004/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:51004/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"), ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:80@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.12/cb"),
        ("http://127.0.0.1/cb", "http://127.1/cb"), ("http://127.0.0.1/cb", "http://2130706433/cb"),
        ("http://127.0.0.1/cb", "http://0x7f.0.0.1/cb"),
        ("http://127.0.0.1/cb", "http://user@127.0.0.1:80/cb"),
        ("http://[::1]/cb", "http://[::1]:80evil.example/cb"),
        ("http://[::1]/cb", "http://[0:0:0:0:0:0:0:1]:80/cb"),
        ("http://[::1]/cb", "http://[::ffff:127.0.0.1]:80/cb"),
        ("https://app.example/cb", "https://app.example:8443/cb"),
    ])
    func `nothing else about it may differ`(_ registered: String, _ asked: String) async throws {
        try await TestServer.run { server in
            let reply = try await reply(to: asked, registered: [registered], server)
            #expect(reply.status == 400)
            #expect(reply.header("location") == nil)
        }
    }

    @Test(arguments: [
        ("http://localhost/cb", "http://localhost:51004/cb"),
        ("cursor://anysphere.cursor-mcp/oauth/callback", "cursor://anysphere.cursor-mcp/oauth/callback"),
    ])
    func `a native app that was allowed its address needs PKCE, and is asked for every time`(
        _ registered: String, _ asked: String
    ) async throws {
        try await TestServer.run { server in
            let app = try await server.client("phone", grants: [.authorizationCode, .refreshToken]) {
                $0.authenticationMethods = [.none]
                $0.redirectURIs = [registered]
                $0.allowNativeRedirects()
            }
            let browser = Browser(server)
            try await browser.haveSession()
            let bare = try await browser.authorize(app, ["redirect_uri": asked])
            #expect(bare.answer["error"] == "invalid_request")
            let ask: [String: String?] = [
                "redirect_uri": asked, "code_challenge_method": "S256",
                "code_challenge": "7w_YNF9DSfIdPf_pRjSq646_kPr-2-o9NAl16JGghdM",
            ]
            for _ in 0..<2 {
                let answer = try await browser.allow(app, ask)
                #expect(answer.destination == asked)
                #expect(answer.answer["code"] != nil)
            }
            let silent = try await browser.authorize(app, ask.merging(["prompt": "none"]) { $1 })
            #expect(silent.answer["error"] == "consent_required")
        }
    }

    @Test func `a code asked for at one port is redeemed with that port`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.redirectURIs = ["http://127.0.0.1/cb"] }
            let browser = Browser(server)
            try await browser.haveSession()
            for (presented, status) in [("http://127.0.0.1:4001/cb", 400), ("http://127.0.0.1:4000/cb", 200)]
            {
                let answer = try await browser.allow(
                    app, ["redirect_uri": "http://127.0.0.1:4000/cb", "prompt": "consent"])
                #expect(answer.destination == "http://127.0.0.1:4000/cb")
                let reply = try await server.redeem(answer.answer["code"] ?? "", app, redirectURI: presented)
                #expect(reply.status == status)
            }
        }
    }

    @Test func `the only one may be left out in the seed's profile`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(app, ["redirect_uri": nil])
            #expect(answer.destination == Party.redirectURI)
            let tokens = try await server.post(
                ["grant_type": "authorization_code", "code": answer.answer["code"] ?? ""],
                authorization: app.basic)
            #expect(tokens.status == 200)
            let two = try await server.client("two") { $0.redirectURIs.append("https://app.example/other") }
            let reply = try await browser.authorize(two, ["redirect_uri": nil])
            #expect(reply.status == 400)
            #expect(reply.isPage)
        }
    }
}
