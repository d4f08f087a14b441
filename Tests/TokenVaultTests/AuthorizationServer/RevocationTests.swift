import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `RFC 7009: a client revokes its own` {
    @Test func `any generation of a refresh token, and either access token, ends the grant`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        for which in 0..<5 {
            var history = [try await party.begin()]
            for _ in 0..<3 {
                let last = try #require(history.last)
                history.append(try #require(await party.refresh(last.refreshToken).issued))
            }
            let token =
                switch which {
                case 0: try history[0].refreshToken
                case 1: try history[2].refreshToken
                case 2: try history[3].refreshToken
                case 3: history[3].pair.accessToken
                default: history[2].pair.accessToken
                }
            #expect(try await test.vault.grants.revoke(token, by: party.client, requestID: "r\(which)"))
            #expect(try await test.vault.validate(history[3].pair.accessToken) == nil)
            #expect(try await party.refresh(history[3].refreshToken).refusal == .grantRevoked)
            #expect(try await !test.vault.grants.revoke(token, by: party.client))
        }
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `what is another client's, forged or forgotten changes nothing, and the log says who tried`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await Party(test.vault, "other", user: "bob")
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        let third = try #require(await party.refresh(second.refreshToken).issued)
        #expect(try await !test.vault.grants.revoke(try third.refreshToken, by: other.client))
        let entry = try #require(
            try await test.vault.log.entries(from: test.vault.auditSize() - 1, limit: 1).first)
        #expect(entry.operation == "grant.revoke" && entry.outcome == "refused")
        #expect(entry.reason == "wrong_client" && entry.grant == third.grant.rawValue)
        #expect(try await !test.vault.grants.revoke(third.pair.accessToken, by: other.client))
        #expect(try await !test.vault.grants.revoke(first.pair.accessToken, by: party.client))
        let size = try await test.vault.auditSize()
        #expect(try await !test.vault.grants.revoke(Secret(copying: "tv_rt_forged"), by: party.client))
        #expect(try await test.vault.auditSize() == size)
        #expect(try await test.vault.validate(third.pair.accessToken) != nil)
    }

    @Test func `client credentials and implicit tokens too`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault) { $0.responseTypes = [.code, .token] }
        let own = try await test.vault.issueClientCredentials(
            to: party.client, scope: party.client.registration.scope, channel: .library, requestID: nil)
        let implicit = try await test.vault.issueImplicit(
            to: party.client.id, user: party.user.id, scope: party.client.registration.scope)
        for tokens in [own, implicit] {
            #expect(try await test.vault.grants.revoke(tokens.pair.accessToken, by: party.client))
            #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
        }
    }

    @Test func `revocation against refresh: whoever comes first, no token is left alive`() async throws {
        let test = try await TestVault()
        let other = try await test.reopen()
        let party = try await Party(test.vault)
        var refreshed = 0
        for _ in 0..<60 {
            let first = try await party.begin()
            let token = try first.refreshToken
            async let next = party.refresh(token, in: other)
            async let isRevoked = test.vault.grants.revoke(token, by: party.client)
            let (result, revoked) = try await (next, isRevoked)
            #expect(revoked)
            if let issued = result.issued {
                refreshed += 1
                #expect(try await other.validate(issued.pair.accessToken) == nil)
            } else {
                #expect(result.refusal == .grantRevoked)
            }
            #expect(try await test.vault.grants.find(first.grant).state == .revoked)
        }
        print("refreshed first: \(refreshed) of 60")
        await other.close()
        #expect(try await test.vault.log.verify().isIntact)
    }
}

@Suite(.bounded) struct `Introspection of refresh tokens` {
    @Test func `the newest alone is active, and looking spends nothing`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let seen = try #require(try await test.vault.inspectRefreshToken(try first.refreshToken))
        #expect(seen.owner == party.user.id && seen.client == party.client.id && seen.scope.text == "basic")
        #expect(seen.issuedAt == test.clock.now() && seen.expiresAt > seen.issuedAt)
        let second = try #require(await party.refresh(first.refreshToken).issued)
        #expect(try await test.vault.inspectRefreshToken(try second.refreshToken)?.generation == 2)
        #expect(try await test.vault.inspectRefreshToken(try first.refreshToken) == nil)
        // The retry window is still open: looking is not using.
        test.clock.advance(by: .seconds(30))
        #expect(try await party.refresh(first.refreshToken).replayed != nil)
        #expect(try await test.vault.inspectRefreshToken(second.pair.accessToken) == nil)
        #expect(try await test.vault.inspectRefreshToken(Secret(copying: "tv_rt_x")) == nil)
    }

    @Test(arguments: ["revoked", "disabled user", "disabled client", "user revoked", "expired"])
    func `a dead one is not`(_ why: String) async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        switch why {
        case "revoked": try await test.vault.grants.revoke(tokens.grant)
        case "disabled user": _ = try await test.vault.users.disable("alice")
        case "disabled client": _ = try await test.vault.clients.disable("app")
        case "user revoked": _ = try await test.vault.users.revokeGrants(of: "alice")
        default: test.clock.advance(by: .seconds(31 * 86400))
        }
        #expect(try await test.vault.inspectRefreshToken(try tokens.refreshToken) == nil)
    }
}

@Suite(.bounded) struct `Implicit grants` {
    @Test func `give an access token for its time, to clients registered for it`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault) { $0.responseTypes = [.token] }
        let scope = try #require(ScopeSet(parsing: "basic"))
        let tokens = try await test.vault.issueImplicit(
            to: party.client.id, user: party.user.id, scope: scope, authenticationTime: test.clock.now())
        #expect(tokens.pair.refreshToken == nil && tokens.kind == .implicit)
        let valid = try #require(try await test.vault.validate(tokens.pair.accessToken))
        #expect(valid.kind == .implicit && valid.owner == party.user.id && valid.scope == scope)
        #expect(try await test.vault.grants.find(tokens.grant).kind == .implicit)
        test.clock.advance(by: .seconds(3600))
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
        // It is not registered for codes.
        await #expect(throws: VaultError(.denied, "")) { try await party.authorize() }
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `are refused to others, and beyond the registered scope`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await Party(test.vault, "other", user: "bob") { $0.responseTypes = [.idToken] }
        let able = try await Party(test.vault, "able", user: "carol") { $0.responseTypes = [.idTokenToken] }
        for client in [party.client, other.client] {
            await #expect(throws: VaultError(.denied, "")) {
                try await test.vault.issueImplicit(to: client.id, user: party.user.id, scope: .empty)
            }
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.issueImplicit(
                to: able.client.id, user: able.user.id, scope: try #require(ScopeSet(parsing: "admin")))
        }
        try await test.vault.users.disable("carol")
        await #expect(throws: VaultError(.denied, "")) {
            try await test.vault.issueImplicit(to: able.client.id, user: able.user.id, scope: .empty)
        }
    }
}
