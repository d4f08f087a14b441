import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore
import VaultCrypto

/// OAuth 2.0 Form Post Response Mode: a page that has the browser post the answer to the client.
@Suite(.bounded) struct `OAuth 2.0 Form Post Response Mode` {
    private static let ask: [String: String?] = ["response_mode": "form_post"]

    @Test func `a code, an error and the tokens of an implicit type are fields of a form`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid basic") { $0.responseTypes = [.code, .idToken] }
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.allow(app, Self.ask)
            #expect(page.status == 200 && page.isPage && page.header("location") == nil)
            #expect(page.text.contains("<form method=\"post\" action=\"\(Party.redirectURI)\">"))
            #expect(page.field("state") == "af0ifjsldkj" && page.field("iss") == server.issuer)
            let code = try #require(page.field("code"))
            #expect(try await server.redeem(code, app).status == 200)
            let refused = try await browser.authorize(app, Self.ask.merging(["scope": "no-such"]) { $1 })
            #expect(refused.field("error") == "invalid_scope" && refused.field("code") == nil)
            let denied = try await browser.decide(
                "deny", try await browser.authorize(app, Self.ask.merging(["prompt": "consent"]) { $1 }))
            #expect(denied.field("error") == "access_denied")
            let implicit = try await browser.allow(
                app,
                ["response_mode": "form_post", "response_type": "id_token", "scope": "openid", "nonce": "n"])
            #expect(
                implicit.field("id_token") == "not.signed.atall" && implicit.field("iss") == server.issuer)
            let metadata = try await server.send("GET", "/.well-known/openid-configuration").json
            #expect(metadata["response_modes_supported"] as? [String] == ["query", "fragment", "form_post"])
        }
    }

    @Test func `the page runs its one script, is not kept and not framed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.allow(app, Self.ask)
            let script = try #require(
                page.text.split(separator: "<script>").last?.split(separator: "</script>").first)
            let hash = Data(SHA256.hash(Array(script.utf8)).bytes).base64EncodedString()
            let policy = page.header("content-security-policy") ?? ""
            #expect(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"))
            #expect(policy.contains("; script-src 'sha256-\(hash)'") && !policy.contains("unsafe"))
            #expect(!policy.contains("form-action"))
            #expect(page.text.components(separatedBy: "<script").count == 2)
            #expect(
                page.header("cache-control") == "no-store" && page.header("referrer-policy") == "no-referrer")
            #expect(page.header("x-frame-options") == "DENY")
            // Where no scripts run, there is a button.
            #expect(page.text.contains("type=\"submit\""))
        }
    }

    // A page that posts by itself must lead to addresses of the client's alone, and carry no markup of a stranger's.
    @Test func `no stranger's address is posted to, and what comes along stays text`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            for uri in ["https://evil.example/", Party.redirectURI + "/", "javascript:alert(1)"] {
                let page = try await browser.authorize(app, Self.ask.merging(["redirect_uri": uri]) { $1 })
                #expect(page.status == 400 && !page.text.contains("<form"))
            }
            let state = "\"><script>alert(1)</script><input name=\"submit"
            let page = try await browser.allow(app, Self.ask.merging(["state": state]) { $1 })
            #expect(page.text.components(separatedBy: "<script").count == 2)
            #expect(page.text.contains("value=\"&quot;&gt;&lt;script&gt;"))
            #expect(!page.text.contains("name=\"submit\""))
            for mode in ["FORM_POST", "form_post.jwt", "web_message"] {
                let answer = try await browser.authorize(app, ["response_mode": mode])
                #expect(answer.answer["error"] == "invalid_request")
            }
        }
    }
}
