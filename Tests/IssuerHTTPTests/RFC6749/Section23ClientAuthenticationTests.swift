import Foundation
import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 6749 section 2.3: how clients authenticate.
@Suite(.bounded) struct `RFC 6749 section 2.3, client authentication` {
    private static let own: Form = ["grant_type": "client_credentials"]

    private func expectInvalidClient(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 401, comment)
        #expect(reply.error == "invalid_client", comment)
        #expect(reply.header("www-authenticate")?.hasPrefix("Basic realm=\"tokenvault\"") == true, comment)
    }

    @Test func `a wrong secret in the header gets 401 and a challenge`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            for secret in [
                "", "wrong", (app.secret ?? "") + "x", String((app.secret ?? "").dropLast()),
                other.secret ?? "",
            ] {
                expectInvalidClient(
                    try await server.post(Self.own, authorization: Party.basic(app.id, secret)),
                    "\(secret.count)")
            }
            expectInvalidClient(
                try await server.post(Self.own, authorization: Party.basic("nobody", "wrong")))
            #expect(try await server.post(Self.own, authorization: app.basic).status == 200)
        }
    }

    @Test func `a wrong secret in the body gets 401 and a challenge`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wrong: Form = ["grant_type": "client_credentials", "client_id": app.id, "client_secret": "x"]
            expectInvalidClient(try await server.post(wrong))
            let right: Form = [
                "grant_type": "client_credentials", "client_id": app.id, "client_secret": app.secret ?? "",
            ]
            #expect(try await server.post(right).status == 200)
        }
    }

    @Test func `unknown clients and wrong secrets are told apart by the log alone`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let wrong = try await server.post(Self.own, authorization: Party.basic(app.id, "wrong"))
            let unknown = try await server.post(Self.own, authorization: Party.basic("nobody", "wrong"))
            #expect(wrong.body == unknown.body)
            let reasons = try await server.entries("client.authenticate").map(\.reason)
            #expect(reasons == ["wrong_secret", "unknown_client"])
        }
    }

    @Test func `failed authentications are counted and written at a bounded rate`() async throws {
        try await TestServer.run { server in
            // One name each, or the throttle would answer most of them.
            for number in 0..<40 {
                _ = try await server.post(Self.own, authorization: Party.basic("nobody-\(number)", "wrong"))
            }
            #expect(try await server.entries("client.authenticate").count == Limits.auditedRefusalsAtOnce)
            server.clock.advance(by: Limits.foldedRefusalInterval)
            // By the upkeep of the service: nothing else has to happen.
            let isWritten = try await Waiting.until { try await !server.entries("audit.refusals").isEmpty }
            #expect(isWritten)
            #expect(
                try await server.entries("audit.refusals").map(\.reason) == [
                    "client.authenticate/unknown_client=\(40 - Limits.auditedRefusalsAtOnce)"
                ])
        }
    }

    @Test func `two ways of authentication at once are refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let forms: [Form] = [
                ["grant_type": "client_credentials", "client_secret": app.secret ?? ""],
                ["grant_type": "client_credentials", "client_id": app.id, "client_secret": app.secret ?? ""],
                ["grant_type": "client_credentials", "client_assertion": "x"],
                ["grant_type": "client_credentials", "client_id": "somebody-else"],
            ]
            for form in forms {
                let reply = try await server.post(form, authorization: app.basic)
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
            }
            let bodyAndAssertion = try await server.post(
                [
                    "grant_type": "client_credentials", "client_id": app.id,
                    "client_secret": app.secret ?? "",
                    "client_assertion": "x",
                ])
            #expect(bodyAndAssertion.error == "invalid_request")
            let twoHeaders = try await server.post(
                body: "grant_type=client_credentials",
                headers: ["Authorization: \(app.basic)", "Authorization: \(app.basic)"])
            #expect(twoHeaders.error == "invalid_request")
            // Naming oneself in the body as well is no second way.
            let named: Form = ["grant_type": "client_credentials", "client_id": app.id]
            #expect(try await server.post(named, authorization: app.basic).status == 200)
        }
    }

    @Test func `a confidential client without authentication gets 401 whatever it asks for`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let code = try await server.code(app)
            let forms: [Form] = [
                ["grant_type": "client_credentials", "client_id": app.id],
                ["grant_type": "client_credentials"],
                [
                    "grant_type": "refresh_token", "refresh_token": tokens.refreshToken ?? "",
                    "client_id": app.id,
                ],
                [
                    "grant_type": "authorization_code", "code": code, "client_id": app.id,
                    "redirect_uri": Party.redirectURI,
                ],
            ]
            for form in forms { expectInvalidClient(try await server.post(form)) }
            #expect(try await server.redeem(code, app).status == 200)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test func `a method the client is not registered for gets 401`() async throws {
        try await TestServer.run { server in
            let basic = try await server.client("basic") { $0.authenticationMethods = [.basic] }
            let post = try await server.client("post") { $0.authenticationMethods = [.post] }
            func body(_ app: Party) -> Form {
                ["grant_type": "client_credentials", "client_id": app.id, "client_secret": app.secret ?? ""]
            }
            expectInvalidClient(try await server.post(Self.own, authorization: post.basic))
            expectInvalidClient(try await server.post(body(basic)))
            #expect(try await server.post(Self.own, authorization: basic.basic).status == 200)
            #expect(try await server.post(body(post)).status == 200)
            #expect(
                try await server.entries("client.authenticate").map(\.reason) == [
                    "wrong_method", "wrong_method",
                ])
        }
    }

    @Test func `a grant type the client is not registered for is unauthorized`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(grants: [.authorizationCode])
            let phone = try await server.publicClient()
            let replies = [
                try await server.post(Self.own, authorization: app.basic),
                try await server.post(
                    ["grant_type": "refresh_token", "refresh_token": "x"], authorization: app.basic),
                try await server.post(["grant_type": "client_credentials", "client_id": phone.id]),
            ]
            for reply in replies {
                #expect(reply.status == 400)
                #expect(reply.error == "unauthorized_client")
            }
        }
    }

    @Test func `an old secret works until its overlap ends, and the log says that it was the old one`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let rotated = try await server.vault.clients.rotateSecret(of: app.id, overlap: .seconds(60))
            let new = Party(client: rotated.client, secret: rotated.secret?.text)
            #expect(try await server.post(Self.own, authorization: new.basic).status == 200)
            #expect(try await server.entries("client.authenticate").isEmpty)
            let old = try await server.post(Self.own, authorization: app.basic)
            #expect(old.status == 200)
            let used = try #require(try await server.entries("client.authenticate").last)
            #expect(used.outcome == "ok")
            #expect(used.reason == "superseded_secret")
            #expect(used.generation == 1)
            #expect(used.requestID == old.header("x-request-id"))
            server.clock.advance(by: .seconds(60))
            expectInvalidClient(try await server.post(Self.own, authorization: app.basic))
            let refused = try #require(try await server.entries("client.authenticate").last)
            #expect(refused.reason == "secret_expired")
            #expect(refused.generation == 1)
            #expect(try await server.post(Self.own, authorization: new.basic).status == 200)
        }
    }

    @Test func `credentials in the header are form-encoded before base64`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let escaped = (app.secret ?? "").utf8.map { "%" + Hex.encode([$0]) }.joined()
            #expect(
                try await server.post(Self.own, authorization: Party.basic(app.id, escaped)).status == 200)
            let spaced = app.basic.replacing("Basic ", with: "bASIC   ")
            #expect(try await server.post(Self.own, authorization: spaced).status == 200)
        }
    }

    @Test func `a header that says nothing gets 401 and a challenge`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            func base64(_ text: String) -> String { Data(text.utf8).base64EncodedString() }
            let headers = [
                "Basic", "Basic ", "Basic !!!!", "Basic \(base64(app.id))", "Basic \(base64(":"))",
                "Basic \(base64("\(app.id):%"))", "Basic \(base64("%ff:x"))",
                "Basic \(base64("\(app.id):%00"))",
                app.basic + "=", app.basic.trimmingCharacters(in: ["="]) + "A", "Bearer \(app.secret ?? "")",
                "Digest username=x", "tv_cs_x", "Basic \(base64(String(repeating: "a", count: 6000) + ":x"))",
            ]
            for header in headers {
                expectInvalidClient(try await server.post(Self.own, authorization: header), "\(header)")
            }
            expectInvalidClient(
                try await server.post([
                    "grant_type": "client_credentials", "client_assertion": "x",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ]))
            expectInvalidClient(
                try await server.post(["grant_type": "client_credentials", "client_secret": app.secret ?? ""])
            )
        }
    }
}
