import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 6749 section 4.1: the authorization code grant at the token endpoint.
@Suite(.bounded) struct `RFC 6749 section 4.1, authorization code` {
    private func expectInvalidGrant(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 400, comment)
        #expect(reply.error == "invalid_grant", comment)
    }

    @Test func `without a code the request is invalid`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for code in [nil, ""] as [String?] {
                let body = "grant_type=authorization_code" + (code.map { "&code=\($0)" } ?? "")
                let reply = try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
            }
        }
    }

    @Test func `an unknown, a damaged and an expired code are refused`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            for wrong in ["x", String(code.dropLast()), code + "A", code.replacing("tv_ac_", with: "tv_rt_")]
            {
                expectInvalidGrant(try await server.redeem(wrong, app))
            }
            server.clock.advance(by: .seconds(60))
            expectInvalidGrant(try await server.redeem(code, app))
            #expect(try await server.entries("token.code").last?.reason == "code_expired")
        }
    }

    @Test func `another client's code is refused and stays good for its own`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let thief = try await server.client("thief")
            let code = try await server.code(app)
            expectInvalidGrant(try await server.redeem(code, thief))
            #expect(try await server.redeem(code, app).status == 200)
        }
    }

    @Test func `oidcc-codereuse: a code used twice is refused and everything it gave is dead`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let first = try await server.redeem(code, app)
            let second = try await server.refresh(first.refreshToken, app)
            #expect(try await server.isGood(first.accessToken))
            #expect(try await server.isGood(second.accessToken))
            server.clock.advance(by: .seconds(30))
            expectInvalidGrant(try await server.redeem(code, app))
            #expect(try await !server.isGood(first.accessToken))
            #expect(try await !server.isGood(second.accessToken))
            expectInvalidGrant(try await server.refresh(second.refreshToken, app))
            #expect(try await server.entries("token.code").last?.outcome == "revoked")
        }
    }

    @Test func `a used code from an old log revokes nothing, and another client's use neither`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let thief = try await server.client("thief")
            let code = try await server.code(app)
            let tokens = try await server.redeem(code, app)
            expectInvalidGrant(try await server.redeem(code, thief))
            #expect(try await server.isGood(tokens.accessToken))
            server.clock.advance(by: Limits.codeReuseWindow)
            expectInvalidGrant(try await server.redeem(code, app))
            #expect(try await server.isGood(tokens.accessToken))
        }
    }

    @Test func `the redirect URI must be the one of the authorization request, octet by octet`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let others = [
                "https://app.example/Callback", "https://app.example/callback/",
                "https://app.example:443/callback",
                "https://app.example/callback?a=b", "https://APP.example/callback",
                "https://app.example/callback%20",
                " https://app.example/callback", "https://app.example/c\u{0430}llback",
            ]
            for uri in others {
                expectInvalidGrant(try await server.redeem(code, app, redirectURI: uri), "\(uri)")
            }
            expectInvalidGrant(
                try await server.post(
                    ["grant_type": "authorization_code", "code": code], authorization: app.basic))
            #expect(try await server.redeem(code, app).status == 200)
        }
    }

    @Test func `a redirect URI that was not in the authorization request need not come again`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app, redirectURI: nil)
            let reply = try await server.post(
                ["grant_type": "authorization_code", "code": code], authorization: app.basic)
            #expect(reply.status == 200)
        }
    }

    @Test func `64 simultaneous uses of one code give tokens once`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                for _ in 0..<64 { group.addTask { try await server.redeem(code, app) } }
                return try await group.reduce(into: [Reply]()) { $0.append($1) }
            }
            #expect(replies.count { $0.status == 200 } == 1)
            #expect(replies.count { $0.error == "invalid_grant" } == 63)
        }
    }
}
