import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 4.1.2.1: what is wrong with a request, and who is told.
@Suite(.bounded) struct `RFC 6749 section 4.1.2.1, authorization errors` {
    struct Wrong: Sendable, CustomTestStringConvertible {
        let module: String
        let changes: [String: String?]
        let error: String
        var testDescription: String { module }

        init(_ module: String, _ changes: [String: String?], _ error: String) {
            self.module = module
            self.changes = changes
            self.error = error
        }
    }

    static let redirected = [
        Wrong("oidcc-response-type-missing", ["response_type": nil], "invalid_request"),
        Wrong("empty response_type", ["response_type": ""], "invalid_request"),
        Wrong("unknown response_type", ["response_type": "cake"], "unsupported_response_type"),
        Wrong("hybrid response_type", ["response_type": "code id_token"], "unsupported_response_type"),
        Wrong("row 86, token", ["response_type": "token"], "unauthorized_client"),
        Wrong("oidcc-request-object", ["request": "eyJhbGciOiJub25lIn0.e30."], "request_not_supported"),
        Wrong("request_uri", ["request_uri": "https://evil.example/r"], "request_uri_not_supported"),
        Wrong("registration", ["registration": "{}"], "registration_not_supported"),
        Wrong("scope unknown", ["scope": "admin write"], "invalid_scope"),
        Wrong("scope malformed", ["scope": "basic  basic"], "invalid_scope"),
        Wrong("web_message", ["response_mode": "web_message"], "invalid_request"),
        Wrong("unknown response_mode", ["response_mode": "jwt"], "invalid_request"),
        Wrong("prompt unknown", ["prompt": "create"], "invalid_request"),
        Wrong("prompt none and login", ["prompt": "none login"], "invalid_request"),
        Wrong("max_age negative", ["max_age": "-1"], "invalid_request"),
        Wrong("max_age no number", ["max_age": "soon"], "invalid_request"),
        Wrong("max_age enormous", ["max_age": "99999999999999999999"], "invalid_request"),
        Wrong("nonce too long", ["nonce": String(repeating: "n", count: 513)], "invalid_request"),
        Wrong(
            "row 54, plain",
            [
                "code_challenge": `RFC 6749 section 4.1, authorization request`.challenge,
                "code_challenge_method": "plain",
            ], "invalid_request"),
        Wrong(
            "row 54, plain by default",
            ["code_challenge": `RFC 6749 section 4.1, authorization request`.challenge], "invalid_request"),
        Wrong("PKCE method alone", ["code_challenge_method": "S256"], "invalid_request"),
        Wrong(
            "PKCE challenge malformed", ["code_challenge": "short", "code_challenge_method": "S256"],
            "invalid_request"),
    ]

    @Test(arguments: redirected)
    func `the client is told`(_ wrong: Wrong) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            let reply = try await browser.authorize(app, wrong.changes)
            #expect(reply.status == 303, "\(reply.text)")
            #expect(reply.destination == Party.redirectURI)
            #expect(reply.answer["error"] == wrong.error)
            #expect(reply.answer["error_description"]?.isEmpty == false)
            #expect(reply.answer["state"] == "af0ifjsldkj")
            #expect(reply.answer["iss"] == "http://127.0.0.1:\(server.port)")
        }
    }

    // Row 55; RFC 9700 section 2.1.1.
    @Test func `a public client without a challenge is refused`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let browser = Browser(server)
            try await browser.haveSession()
            let reply = try await browser.authorize(phone)
            #expect(reply.answer["error"] == "invalid_request")
            #expect(reply.answer["error_description"]?.contains("code_challenge") == true)
        }
    }

    @Test func `a client not registered for codes is refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(grants: [.clientCredentials])
            let reply = try await Browser(server).authorize(app)
            #expect(reply.answer["error"] == "unauthorized_client")
        }
    }

    static let shown = [
        Wrong("no client", ["client_id": nil], "invalid_request"),
        Wrong("unknown client", ["client_id": "nobody"], "invalid_request"),
        Wrong("oidcc-ensure-redirect-uri-in-authorization-request", ["redirect_uri": nil], "invalid_request"),
        Wrong("redirect URI of another", ["redirect_uri": "https://evil.example/"], "invalid_request"),
        Wrong("state too long", ["state": String(repeating: "s", count: 8192)], "invalid_request"),
        Wrong("all too long", ["login_hint": String(repeating: "漢", count: 1000)], "invalid_request"),
    ]

    @Test(arguments: shown)
    func `the user is told, and nothing is sent anywhere`(_ wrong: Wrong) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let reply = try await browser.authorize(app, wrong.changes)
            #expect(reply.status == 400)
            #expect(reply.isPage)
            #expect(reply.header("location") == nil)
            #expect(reply.text.contains(wrong.error))
            #expect(!reply.text.contains("evil.example"))
        }
    }

    @Test func `a disabled client is told apart from an unknown one by nobody`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            try await server.vault.clients.disable(app.id)
            let browser = Browser(server)
            let disabled = try await browser.authorize(app)
            let unknown = try await browser.authorize(app, ["client_id": "nobody"])
            #expect(disabled.status == unknown.status)
            func withoutID(_ reply: Reply) -> String {
                reply.text.replacing(reply.header("x-request-id") ?? "-", with: "")
            }
            #expect(withoutID(disabled) == withoutID(unknown))
        }
    }

    @Test(arguments: [
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "prompt", "code_challenge",
        "unknown",
    ])
    func `a parameter that comes twice is refused on a page`(_ name: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let path = "/oauth2/authorize?" + Browser.query(app, [name: "code"])
            let reply = try await Browser(server).get(path + "&\(name)=code")
            #expect(reply.status == 400)
            #expect(reply.isPage)
            #expect(reply.header("location") == nil)
        }
    }

    @Test(arguments: ["%", "%zz", "a=%00", "a=%FF", "\(String(repeating: "a=1&", count: 100))"])
    func `a query that cannot be read is refused on a page`(_ query: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await Browser(server).get("/oauth2/authorize?\(Browser.query(app))&\(query)")
            #expect(reply.status == 400)
            #expect(reply.isPage)
        }
    }

    @Test func `other methods are named`() async throws {
        try await TestServer.run { server in
            let browser = Browser(server)
            for method in ["HEAD", "PUT", "DELETE", "OPTIONS", "PATCH"] {
                let reply = try await browser.send(method, "/oauth2/authorize")
                #expect(reply.status == 405)
                #expect(reply.header("allow") == "GET, POST")
            }
        }
    }

    @Test func `a body that is too large or no form is refused on a page`() async throws {
        try await TestServer.run { server in
            let browser = Browser(server)
            for path in ["/oauth2/authorize", "/sign-in", "/consent", "/account/consents", "/sign-out"] {
                let large = try await browser.post(
                    path, body: "form=" + String(repeating: "x", count: 65 * 1024))
                #expect(large.status == 413)
                #expect(large.isPage)
                let json = try await browser.send(
                    "POST", path, headers: ["Content-Type: application/json"], body: Array("{}".utf8))
                #expect(json.status == 400)
                #expect(json.isPage)
            }
        }
    }
}
