import TestSupport
import Testing
import TokenVault

/// RFC 7636 section 4.6, RFC 9700 section 2.1.1: the server verifies the code_verifier.
@Suite(.bounded) struct `RFC 7636 section 4.6, code verifier` {
    // RFC 7636 appendix B
    private static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    private static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    private func form(_ code: String, _ verifier: String?, clientID: String? = nil) -> String {
        "grant_type=authorization_code&code=\(code)&redirect_uri=\(TestServer.encode(Party.redirectURI))"
            + (verifier.map { "&code_verifier=\(TestServer.encode($0))" } ?? "")
            + (clientID.map { "&client_id=\($0)" } ?? "")
    }

    @Test func `a public client gets tokens with the verifier alone`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let code = try await server.code(phone, challenge: Self.challenge)
            let reply = try await server.post(body: form(code, Self.verifier, clientID: phone.id))
            #expect(reply.status == 200)
            let refreshed = try await server.post(
                [
                    "grant_type": "refresh_token", "refresh_token": reply.refreshToken ?? "",
                    "client_id": phone.id,
                ])
            #expect(refreshed.status == 200)
            #expect(refreshed.refreshToken != reply.refreshToken)
        }
    }

    @Test(arguments: [
        nil, "", "short", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXK",
        // Taken as `plain`, the challenge itself would do.
        "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM", "dBjftJeZ4CVP mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
        String(repeating: "a", count: 129),
    ])
    func `a missing, wrong or malformed verifier is refused and the code stays good`(_ wrong: String?)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app, challenge: Self.challenge)
            let authorization = ["Authorization: \(app.basic)"]
            let reply = try await server.post(body: form(code, wrong), headers: authorization)
            #expect(reply.status == 400)
            #expect(reply.error == "invalid_grant")
            #expect(
                try await server.post(body: form(code, Self.verifier), headers: authorization).status == 200)
        }
    }

    @Test func `a wrong verifier from another client changes nothing for the owner`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let thief = try await server.publicClient("thief")
            let code = try await server.code(phone, challenge: Self.challenge)
            for clientID in [thief.id, phone.id] {
                let wrong = try await server.post(
                    body: form(code, String(repeating: "a", count: 43), clientID: clientID))
                #expect(wrong.error == "invalid_grant")
            }
            let reply = try await server.post(body: form(code, Self.verifier, clientID: phone.id))
            #expect(reply.status == 200)
        }
    }

    @Test func `a verifier for a code without a challenge is refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let authorization = ["Authorization: \(app.basic)"]
            let reply = try await server.post(body: form(code, Self.verifier), headers: authorization)
            #expect(reply.error == "invalid_grant")
            #expect(try await server.post(body: form(code, nil), headers: authorization).status == 200)
        }
    }
}
