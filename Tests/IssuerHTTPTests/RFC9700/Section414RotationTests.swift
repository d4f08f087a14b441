import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 9700 section 4.14: refresh token rotation, with the windows that keep honest clients signed in.
@Suite(.bounded) struct `RFC 9700 section 4.14, refresh token rotation` {
    private func expectInvalidGrant(_ reply: Reply, _ comment: Comment? = nil) {
        #expect(reply.status == 400, comment)
        #expect(reply.error == "invalid_grant", comment)
    }

    @Test func `an idle grant ends`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.idle = .seconds(1000) }
            var tokens = try await server.tokens(app)
            for _ in 0..<3 {
                server.clock.advance(by: .seconds(999))
                tokens = try await server.refresh(tokens.refreshToken, app)
                #expect(tokens.status == 200)
            }
            server.clock.advance(by: .seconds(1000))
            expectInvalidGrant(try await server.refresh(tokens.refreshToken, app))
            #expect(try await server.entries("token.refresh").last?.reason == "idle_expired")
        }
    }

    @Test func `no refresh extends the absolute lifetime, and no access token outlives it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.absolute = .seconds(5000) }
            let first = try await server.tokens(app)
            server.clock.advance(by: .seconds(3000))
            let second = try await server.refresh(first.refreshToken, app)
            #expect(second.text.contains(#""expires_in":2000,"#))
            server.clock.advance(by: .seconds(1999))
            let third = try await server.refresh(second.refreshToken, app)
            #expect(third.text.contains(#""expires_in":1,"#))
            #expect(try await server.isGood(third.accessToken))
            server.clock.advance(by: .seconds(1))
            #expect(try await !server.isGood(third.accessToken))
            expectInvalidGrant(try await server.refresh(third.refreshToken, app))
            #expect(try await server.entries("token.refresh").last?.reason == "absolute_expired")
        }
    }

    @Test func `a client whose response was lost gets the same pair again, with less time left`() async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let lost = try await server.refresh(first.refreshToken, app)
            server.clock.advance(by: .seconds(59))
            let again = try await server.refresh(first.refreshToken, app)
            #expect(again.status == 200)
            #expect(again.refreshToken == lost.refreshToken)
            #expect(again.accessToken == lost.accessToken)
            #expect(again.text.contains(#""expires_in":3541,"#))
            #expect(try await server.vault.grants.list().first?.generation == 2)
            #expect(try await server.entries("token.refresh").map(\.outcome) == ["ok", "replayed"])
            #expect(try await server.entries("token.refresh").last?.requestID == again.header("x-request-id"))
            #expect(try await server.refresh(again.refreshToken, app).status == 200)
        }
    }

    @Test func `a retry for another scope is refused and nothing changes`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let lost = try await server.refresh(first.refreshToken, app, scope: "basic")
            #expect(
                try await server.refresh(first.refreshToken, app, scope: "readmeasurements").error
                    == "invalid_scope")
            let again = try await server.refresh(first.refreshToken, app, scope: "basic")
            #expect(again.refreshToken == lost.refreshToken)
        }
    }

    @Test func `a used token that comes back after its successor was used revokes the grant`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            #expect(try await server.isGood(second.accessToken))
            // Within the race window a second worker may still be at it.
            server.clock.advance(by: .seconds(9))
            #expect(try await server.refresh(first.refreshToken, app).refreshToken == second.refreshToken)
            server.clock.advance(by: .seconds(1))
            expectInvalidGrant(try await server.refresh(first.refreshToken, app))
            expectInvalidGrant(try await server.refresh(second.refreshToken, app))
            #expect(try await !server.isGood(first.accessToken))
            #expect(try await !server.isGood(second.accessToken))
            let revocation = try await server.entries("token.refresh").first { $0.outcome == "revoked" }
            #expect(revocation?.reason == "refresh_token_reused")
            #expect(revocation?.generation == 1)
        }
    }

    @Test func `a token whose retry window is over revokes the grant`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            server.clock.advance(by: .seconds(60))
            expectInvalidGrant(try await server.refresh(first.refreshToken, app))
            #expect(try await !server.isGood(second.accessToken))
            expectInvalidGrant(try await server.refresh(second.refreshToken, app))
        }
    }

    @Test func `a token two generations old revokes the grant at once`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            let third = try await server.refresh(second.refreshToken, app)
            expectInvalidGrant(try await server.refresh(first.refreshToken, app))
            #expect(try await !server.isGood(third.accessToken))
            expectInvalidGrant(try await server.refresh(third.refreshToken, app))
        }
    }

    @Test func `a client without a retry window has its used token dead at once`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.retryWindow = .zero }
            let first = try await server.tokens(app)
            _ = try await server.refresh(first.refreshToken, app)
            expectInvalidGrant(try await server.refresh(first.refreshToken, app))
        }
    }

    @Test func `two machines that refresh in turn stay signed in, and each answer has its id_token`()
        async throws
    {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid basic") {
                $0.rotation = .untilFirstUse(cap: .seconds(86400))
            }
            let first = try await server.tokens(app, scope: "openid basic")
            var held = [first, first]
            for hour in 0..<48 {
                server.clock.advance(by: .seconds(1800))
                let reply = try await server.refresh(held[hour % 2].refreshToken, app)
                #expect(reply.status == 200, "\(hour): \(reply.text)")
                #expect(reply.json["id_token"] != nil)
                held[hour % 2] = reply
            }
            let outcomes = Set(try await server.entries("token.refresh").map(\.outcome))
            #expect(outcomes == ["ok", "replayed"])
        }
    }

    @Test func `an old token that moves the grant on brings an id_token and a scope of its own`() async throws
    {
        try await TestServer.runOpenID { server in
            let app = try await server.client(scope: "openid basic") {
                $0.rotation = .staleTolerant(generations: 2, cap: .seconds(30 * 86400))
            }
            let first = try await server.tokens(app, scope: "openid basic")
            let second = try await server.refresh(first.refreshToken, app)
            let third = try await server.refresh(second.refreshToken, app)
            #expect(third.status == 200)
            // Four days later a process comes back with what it had.
            server.clock.advance(by: .seconds(4 * 86400))
            #expect(
                try await server.refresh(first.refreshToken, app, scope: "admin").error == "invalid_scope")
            let moved = try await server.refresh(first.refreshToken, app, scope: "openid")
            #expect(moved.member("scope") == "openid")
            #expect(moved.json["id_token"] != nil)
            #expect(
                try await server.refresh(first.refreshToken, app, scope: "basic").error == "invalid_scope")
            #expect(try await server.refresh(first.refreshToken, app).accessToken == moved.accessToken)
            #expect(try await server.vault.grants.list().first?.generation == 4)
        }
    }

    @Test func `64 simultaneous refreshes of one token give one successor`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let replies = try await withThrowingTaskGroup(of: Reply.self) { group in
                for _ in 0..<64 { group.addTask { try await server.refresh(first.refreshToken, app) } }
                return try await group.reduce(into: [Reply]()) { $0.append($1) }
            }
            #expect(replies.allSatisfy { $0.status == 200 })
            #expect(Set(replies.map(\.refreshToken)).count == 1)
            #expect(Set(replies.map(\.accessToken)).count == 1)
            #expect(try await server.vault.grants.list().first?.generation == 2)
            let outcomes = try await server.entries("token.refresh").map(\.outcome)
            #expect(outcomes.count { $0 == "ok" } == 1)
            #expect(outcomes.count { $0 == "replayed" } == 63)
        }
    }
}
