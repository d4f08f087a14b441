import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 9700 section 4.7: a consent form answers the one request it was shown for, whatever stands beside it.
@Suite(.bounded) struct `Consent forms and the request they answer` {
    @Test func `fields beside the form change nothing about the request`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other") { $0.redirectURIs = ["https://evil.example/cb"] }
            let browser = Browser(server)
            let user = try await browser.haveSession()
            let page = try await browser.authorize(app, ["scope": "basic"])
            let answer = try await browser.post(
                "/consent?client_id=\(other.id)&redirect_uri=https://evil.example/cb",
                [
                    "form": try #require(page.field("form")), "decision": "allow", "client_id": other.id,
                    "redirect_uri": "https://evil.example/cb", "scope": "basic readmeasurements",
                    "state": "another", "response_type": "token",
                ])
            #expect(answer.destination == Party.redirectURI)
            #expect(answer.answer["state"] == "af0ifjsldkj")
            #expect(answer.answer["access_token"] == nil)
            let tokens = try await server.redeem(answer.answer["code"] ?? "", app)
            #expect(tokens.status == 200)
            #expect(try await server.vault.consents.list(ofUser: user.id).map(\.scope.text) == ["basic"])
        }
    }

    @Test func `of two pages that are open each answers its own request`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other") { $0.redirectURIs = ["https://other.example/cb"] }
            let browser = Browser(server)
            try await browser.haveSession()
            let first = try await browser.authorize(app, ["state": "first"])
            let second = try await browser.authorize(
                other, ["state": "second", "redirect_uri": "https://other.example/cb"])
            let denied = try await browser.decide("deny", first)
            #expect(denied.destination == Party.redirectURI)
            #expect(denied.answer["state"] == "first")
            #expect(denied.answer["error"] == "access_denied")
            let allowed = try await browser.decide("allow", second)
            #expect(allowed.destination == "https://other.example/cb")
            #expect(allowed.answer["state"] == "second")
            #expect(try await server.redeem(allowed.answer["code"] ?? "", app).error == "invalid_grant")
        }
    }

    @Test func `what the client may no longer have is not given by a page from before`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app)
            try await server.vault.clients.disable(app.id)
            let reply = try await browser.decide("allow", page)
            #expect(reply.status == 400)
            #expect(reply.isPage)
            #expect(reply.header("location") == nil)
            #expect(try await server.vault.grants.list().isEmpty)
            #expect(try await server.vault.consents.list().isEmpty)
        }
    }

    // A code that an attacker has from its own session, put into a victim's (RFC 9700 section 4.5).
    @Test func `code injection: the client's verifier of one session opens no code of another`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let victim = Browser(server)
            try await victim.haveSession()
            let mallory = Browser(server)
            try await mallory.haveSession("mallory")
            let challenges = [
                `RFC 6749 section 4.1, authorization request`.challenge, String(repeating: "A", count: 43),
            ]
            var codes: [String] = []
            for (browser, challenge) in zip([victim, mallory], challenges) {
                let answer = try await browser.allow(
                    app, ["code_challenge": challenge, "code_challenge_method": "S256"])
                codes.append(try #require(answer.answer["code"]))
            }
            func redeem(_ code: String) async throws -> Reply {
                try await server.post(
                    [
                        "grant_type": "authorization_code", "code": code, "redirect_uri": Party.redirectURI,
                        "code_verifier": `RFC 6749 section 4.1, authorization request`.verifier,
                    ], authorization: app.basic)
            }
            #expect(try await redeem(codes[1]).error == "invalid_grant")
            #expect(try await redeem(codes[0]).status == 200)
        }
    }
}
