import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

/// RFC 7009 section 2: revocation by the client that a token was issued to.
@Suite(.bounded) struct `RFC 7009 section 2, token revocation` {
    private func expectDone(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 200, comment)
        #expect(reply.body.isEmpty, comment)
        #expect(reply.header("cache-control") == "no-store", comment)
        #expect(reply.header("x-request-id") != nil, comment)
    }

    @Test func `a refresh token takes its whole grant with it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            let other = try await server.tokens(app)
            let reply = try await server.revoke(second.refreshToken, app)
            expectDone(reply)
            #expect(try await !server.isGood(first.accessToken))
            #expect(try await !server.isGood(second.accessToken))
            #expect(try await server.refresh(second.refreshToken, app).error == "invalid_grant")
            #expect(try await server.isGood(other.accessToken))
            let entry = try #require(try await server.entries("grant.revoke").last)
            #expect(entry.outcome == "ok")
            #expect(entry.requestID == reply.header("x-request-id"))
        }
    }

    @Test func `an access token takes its whole grant with it, whatever issued it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let pair = try await server.tokens(app)
            expectDone(try await server.revoke(pair.accessToken, app))
            #expect(try await !server.isGood(pair.accessToken))
            #expect(try await server.refresh(pair.refreshToken, app).error == "invalid_grant")
            let own = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            expectDone(try await server.revoke(own.accessToken, app))
            #expect(try await !server.isGood(own.accessToken))
        }
    }

    @Test func `a refresh token of any earlier generation ends the grant too`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            var last = first
            for _ in 0..<5 { last = try await server.refresh(last.refreshToken, app) }
            expectDone(try await server.revoke(first.refreshToken, app))
            #expect(try await !server.isGood(last.accessToken))
        }
    }

    @Test func `the same answer is given to tokens that are no tokens, and nothing is written`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try #require(try await server.tokens(app).refreshToken)
            let size = try await server.vault.auditSize()
            let garbage = [
                "x", "tv_rt_", "tv_at_AAAA", String(token.dropLast()), token + "A", token.uppercased(),
                token.replacing("tv_rt_", with: "tv_at_"), "tv_ac_" + token.dropFirst(6), "\u{e9}\u{1F600}",
                String(repeating: "a", count: 60_000), "{}", "'; DROP TABLE grants; --",
            ]
            for token in garbage { expectDone(try await server.revoke(token, app), "\(token.prefix(40))") }
            #expect(try await server.vault.auditSize() == size)
            #expect(try await server.refresh(token, app).status == 200)
        }
    }

    @Test func `a token revoked or expired before gets the same answer`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.idle = .seconds(100) }
            let revoked = try await server.tokens(app)
            expectDone(try await server.revoke(revoked.refreshToken, app))
            expectDone(try await server.revoke(revoked.refreshToken, app))
            let expired = try await server.tokens(app)
            server.clock.advance(by: .seconds(101))
            expectDone(try await server.revoke(expired.refreshToken, app))
        }
    }

    @Test func `another client's token is answered alike and stays good`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let phone = try await server.publicClient()
            let tokens = try await server.tokens(app)
            for thief in [other, phone] {
                expectDone(try await server.revoke(tokens.refreshToken, thief))
                expectDone(try await server.revoke(tokens.accessToken, thief))
            }
            #expect(try await server.isGood(tokens.accessToken))
            #expect(try await server.refresh(tokens.refreshToken, app).status == 200)
            let refused = try await server.entries("grant.revoke")
            #expect(refused.map(\.outcome) == Array(repeating: "refused", count: 4))
        }
    }

    @Test func `a public client revokes what it was given`() async throws {
        try await TestServer.run { server in
            let phone = try await server.publicClient()
            let tokens = try await server.publicTokens(phone)
            #expect(try await server.isGood(tokens.accessToken))
            expectDone(try await server.revoke(tokens.refreshToken, phone))
            #expect(try await !server.isGood(tokens.accessToken))
        }
    }

    @Test(arguments: ["refresh_token", "access_token", "id_token", "nonsense", ""])
    func `a hint that is wrong or unknown changes nothing`(_ hint: String) async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let one = try await server.tokens(app)
            let two = try await server.tokens(app)
            expectDone(try await server.revoke(one.refreshToken, app, hint: hint))
            expectDone(try await server.revoke(two.accessToken, app, hint: hint))
            #expect(try await !server.isGood(one.accessToken))
            #expect(try await !server.isGood(two.accessToken))
        }
    }

    @Test func `simultaneous refreshes and revocations leave nothing alive`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for _ in 0..<8 {
                let tokens = try await server.tokens(app)
                let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                    for _ in 0..<4 {
                        group.addTask { try await server.refresh(tokens.refreshToken, app) }
                        group.addTask { try await server.revoke(tokens.refreshToken, app) }
                    }
                    return try await group.reduce(into: [Reply]()) { $0.append($1) }
                }
                for reply in replies {
                    #expect(reply.status == 200 || reply.error == "invalid_grant", "\(reply.text)")
                }
                // Every revocation was answered, so no token of the grant is good, whichever came out of the race.
                for reply in replies where reply.accessToken != nil {
                    #expect(try await !server.isGood(reply.accessToken))
                    #expect(try await server.refresh(reply.refreshToken, app).error == "invalid_grant")
                }
                #expect(try await !server.isGood(tokens.accessToken))
            }
        }
    }
}
