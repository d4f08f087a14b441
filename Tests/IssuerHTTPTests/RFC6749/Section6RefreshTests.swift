import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 6: refreshing an access token.
@Suite(.bounded) struct `RFC 6749 section 6, refresh` {
    private func expectInvalidGrant(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 400, comment)
        #expect(reply.error == "invalid_grant", comment)
    }

    @Test func `oidcc-refresh-token: a refresh gives another pair of the same grant`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            #expect(second.status == 200)
            #expect(second.refreshToken != first.refreshToken)
            #expect(second.accessToken != first.accessToken)
            let grants = try await server.vault.grants.list()
            #expect(grants.count == 1)
            #expect(grants.first?.generation == 2)
        }
    }

    @Test func `without a refresh_token the request is invalid`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for body in ["grant_type=refresh_token", "grant_type=refresh_token&refresh_token="] {
                let reply = try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
                #expect(reply.error == "invalid_request")
            }
        }
    }

    @Test func `an unknown, malformed, truncated or flipped token is refused and changes nothing`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let token = try #require(tokens.refreshToken)
            var wrong = [
                "x", String(token.dropLast()), token + "=", token + " ", String(repeating: "a", count: 4000),
            ]
            wrong.append(token.replacing("tv_rt_", with: "tv_at_"))
            wrong.append(tokens.accessToken ?? "")
            for place in stride(from: 6, to: token.utf8.count, by: 7) {
                var flipped = Array(token.utf8)
                flipped[place] = flipped[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
                wrong.append(String(decoding: flipped, as: UTF8.self))
            }
            for text in wrong { expectInvalidGrant(try await server.refresh(text, app)) }
            #expect(try await server.vault.grants.list().first?.generation == 1)
            #expect(try await server.refresh(token, app).status == 200)
        }
    }

    @Test func `another client's token is refused and the owner's grant is unharmed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let thief = try await server.client("thief")
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            for token in [first.refreshToken, second.refreshToken] {
                expectInvalidGrant(try await server.refresh(token, thief))
            }
            #expect(try await server.isGood(second.accessToken))
            #expect(try await server.refresh(second.refreshToken, app).status == 200)
        }
    }

    @Test func `a client that fails authentication does not spend the token`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let form: Form = [
                "grant_type": "refresh_token", "refresh_token": tokens.refreshToken ?? "",
                "client_id": app.id,
            ]
            #expect(try await server.post(form).status == 401)
            let wrong = try await server.post(form, authorization: Party.basic(app.id, "wrong"))
            #expect(wrong.status == 401)
            #expect(try await server.vault.grants.list().first?.generation == 1)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test(arguments: [
        "basic readmeasurements writemeasurements", "all", "basic  readmeasurements", "b\"c",
    ])
    func `a scope beyond the grant, or malformed, is refused and does not spend the token`(_ scope: String)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client(scope: "basic readmeasurements writemeasurements")
            let tokens = try await server.tokens(app)
            let reply = try await server.refresh(tokens.refreshToken, app, scope: scope)
            #expect(reply.status == 400)
            #expect(reply.error == "invalid_scope")
            #expect(try await server.vault.grants.list().first?.generation == 1)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test func `a repeated name is one name, and a retry may spell it either way`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let twice = try await server.refresh(tokens.refreshToken, app, scope: "basic basic")
            #expect(twice.status == 200)
            #expect(twice.member("scope") == "basic")
            let again = try await server.refresh(tokens.refreshToken, app, scope: "basic")
            #expect(again.accessToken == twice.accessToken)
        }
    }

    @Test func `a disabled client fails authentication, and its tokens live again with it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            try await server.vault.clients.disable(app.id)
            let reply = try await server.refresh(tokens.refreshToken, app)
            #expect(reply.status == 401)
            #expect(reply.error == "invalid_client")
            #expect(try await !server.isGood(tokens.accessToken))
            #expect(try await server.entries("client.authenticate").last?.reason == "client_disabled")
            try await server.vault.clients.enable(app.id)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test func `a removed client fails authentication`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            try await server.vault.clients.remove(app.id)
            #expect(try await server.refresh(tokens.refreshToken, app).status == 401)
            #expect(try await !server.isGood(tokens.accessToken))
        }
    }

    @Test func `a disabled user's grant is refused, and lives again with the user`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            try await server.vault.users.disable("alice")
            expectInvalidGrant(try await server.refresh(tokens.refreshToken, app))
            try await server.vault.users.enable("alice")
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
        }
    }

    @Test func `a grant that was withdrawn, by itself or with all of the user's, is refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let one = try await server.tokens(app)
            let two = try await server.tokens(app)
            let grant = try #require(try await server.vault.grants.list().first?.id)
            try await server.vault.grants.revoke(grant)
            expectInvalidGrant(try await server.refresh(one.refreshToken, app))
            #expect(try await !server.isGood(one.accessToken))
            #expect(try await server.isGood(two.accessToken))
            try await server.vault.users.revokeGrants(of: "alice")
            expectInvalidGrant(try await server.refresh(two.refreshToken, app))
            #expect(try await !server.isGood(two.accessToken))
        }
    }
}
