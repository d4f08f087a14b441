import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 4.4: the client credentials grant.
@Suite(.bounded) struct `RFC 6749 section 4.4, client credentials` {
    @Test func `the response has no refresh token`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            #expect(reply.status == 200)
            #expect(Set(reply.json.keys) == ["access_token", "token_type", "expires_in", "scope"])
        }
    }

    @Test func `the token stands for the client, which is nobody among the users`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let user = try await server.vault.users.add(app.id)
            let reply = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            let text = try #require(reply.accessToken)
            let token = try #require(try await server.vault.validate(SecretBytes(copying: text)))
            #expect(token.kind == .clientCredentials)
            #expect(token.owner == app.client.id)
            #expect(token.owner != user.id)
        }
    }

    @Test func `every request is a grant of its own`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            var tokens: Set<String?> = []
            for _ in 0..<5 {
                let reply = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic)
                tokens.insert(reply.accessToken)
            }
            #expect(tokens.count == 5)
            #expect(try await server.vault.grants.list().count == 5)
        }
    }

    @Test func `scope is what was asked for, or all that is registered`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            func ask(_ scope: String) async throws -> Reply {
                try await server.post(
                    ["grant_type": "client_credentials", "scope": scope], authorization: app.basic)
            }
            #expect(try await ask("").member("scope") == "basic readmeasurements")
            #expect(try await ask("basic").member("scope") == "basic")
            #expect(try await ask("basic basic").member("scope") == "basic")
            #expect(
                try await ask("readmeasurements basic readmeasurements").member("scope")
                    == "readmeasurements basic")
            for scope in [
                "writemeasurements", "basic writemeasurements", "Basic", " basic", "basic ", "basic  basic",
                "basic\tbasic",
                "basic\\", "bäsic",
            ] {
                #expect(try await ask(scope).error == "invalid_scope", "\(scope)")
            }
        }
    }
}
