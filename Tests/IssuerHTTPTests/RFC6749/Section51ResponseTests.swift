import TestSupport
import Testing
import TokenVault

/// RFC 6749 section 5.1: successful responses.
@Suite(.bounded) struct `RFC 6749 section 5.1, successful response` {
    @Test func `it is JSON that nobody may store`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let refreshed = try await server.refresh(tokens.refreshToken, app)
            let own = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            for reply in [tokens, refreshed, own] {
                #expect(reply.status == 200)
                #expect(reply.header("content-type") == "application/json")
                #expect(reply.header("cache-control") == "no-store")
                #expect(reply.header("pragma") == "no-cache")
                #expect(reply.header("x-request-id")?.wholeMatch(of: /[0-9a-f]{16}/) != nil)
            }
        }
    }

    @Test func `it has the members of the RFC, a number of seconds, and no nulls`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let reply = try await server.tokens(app)
            #expect(
                Set(reply.json.keys) == [
                    "access_token", "token_type", "expires_in", "refresh_token",
                    "refresh_token_expires_in", "scope",
                ])
            #expect(reply.member("token_type") == "Bearer")
            #expect(reply.text.contains(#""expires_in":3600,"#))
            #expect(reply.text.contains(#""refresh_token_expires_in":2592000,"#))
            #expect(!reply.text.contains("null"))
            let withoutRefresh = try await server.client("plain", grants: [.authorizationCode])
            let short = try await server.tokens(withoutRefresh)
            #expect(Set(short.json.keys) == ["access_token", "token_type", "expires_in", "scope"])
        }
    }

    @Test func `it has no id_token where openid was not asked for`() async throws {
        try await TestServer.run { server in
            let reply = try await server.tokens(try await server.client())
            #expect(reply.member("token_type") == "Bearer")
            #expect(reply.json["id_token"] == nil)
        }
    }

    @Test func `it names the scope where that is not the one asked for`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(scope: "basic readmeasurements writemeasurements")
            let tokens = try await server.tokens(app, scope: "basic readmeasurements")
            #expect(tokens.member("scope") == "basic readmeasurements")
            let less = try await server.refresh(tokens.refreshToken, app, scope: "basic")
            #expect(less.member("scope") == "basic")
            // Asking for less once does not narrow the grant (section 6).
            let again = try await server.refresh(less.refreshToken, app)
            #expect(again.member("scope") == "basic readmeasurements")
        }
    }

    @Test func `tokens keep to the bearer alphabet and never repeat`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            var seen: Set<String> = []
            var reply = try await server.tokens(app)
            for _ in 0..<20 {
                for token in [reply.accessToken, reply.refreshToken] {
                    let token = try #require(token)
                    // RFC 6750 section 2.1: b64token
                    #expect(token.wholeMatch(of: /[A-Za-z0-9\-._~+\/]+=*/) != nil)
                    #expect(seen.insert(token).inserted)
                    // A 24-octet random nonce comes behind 6 letters of prefix and the key's number.
                    #expect(token.utf8.count == 110)
                }
                reply = try await server.refresh(reply.refreshToken, app)
            }
            let nonces = Set(seen.map { $0.dropFirst(8).prefix(32) })
            #expect(nonces.count == seen.count)
        }
    }
}
