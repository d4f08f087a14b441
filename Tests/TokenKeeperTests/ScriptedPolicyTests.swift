import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting

@Suite struct `A scripted server plays every replay policy` {
    @Test func `a refresh rotates, and each generation pays once`() {
        let bench = ScriptedBench(replay: .rejected)
        let grant = bench.provider.grant(scope: ["read"])
        let first = bench.refresh(grant.refreshToken ?? "")
        let second = bench.refresh(first.refresh)
        #expect(first.status == 200 && second.status == 200)
        #expect(Set([grant.refreshToken ?? "", first.refresh, second.refresh]).count == 3)
        #expect(Set([grant.accessToken, first.access, second.access]).count == 3)
        #expect(bench.provider.redemptions(of: grant.family) == [1, 1, 0])
        #expect(bench.provider.families[grant.family].refreshToken == second.refresh)
        #expect(bench.provider.isLive(accessToken: grant.accessToken))
    }

    @Test func `rejected: a replay is refused, and the grant lives on`() {
        let bench = ScriptedBench(replay: .rejected)
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(!bench.provider.isLive(refreshToken: grant.refreshToken ?? ""))
        let replay = bench.refresh(grant.refreshToken ?? "")
        #expect(replay.status == 400 && replay.error == "invalid_grant")
        #expect(bench.use(first.access) == 200)
        #expect(bench.refresh(first.refresh).status == 200)
        #expect(bench.provider.replays == 1 && bench.provider.reuseAlarms == 1)
        #expect(bench.provider.redemptions(of: grant.family) == [1, 1, 0])
    }

    @Test func `revokes: a replay is refused and takes every token of the grant, but no other grant`() {
        let bench = ScriptedBench(replay: .revokes)
        let grant = bench.provider.grant()
        let other = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.use(first.access) == 401 && bench.use(grant.accessToken) == 401)
        #expect(bench.refresh(first.refresh).error == "invalid_grant")
        #expect(bench.provider.families[grant.family].isRevoked)
        #expect(bench.use(other.accessToken) == 200)
        #expect(bench.provider.reuseAlarms == 1)
        // The grant is dead: what still comes is no new alarm.
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.provider.replays == 2 && bench.provider.reuseAlarms == 1)
    }

    @Test func `tolerated: replays give the same again, at any time, and are no redemption`() {
        let bench = ScriptedBench(replay: .tolerated) { $0.accessLifetime = nil }
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(bench.use(first.access) == 200)
        bench.clock.advance(.seconds(86400 * 365))
        let replay = bench.refresh(grant.refreshToken ?? "")
        #expect(replay.refresh == first.refresh && replay.access == first.access)
        #expect(bench.provider.redemptions(of: grant.family) == [1, 0])
        #expect(bench.provider.replays == 1 && bench.provider.reuseAlarms == 0)
    }

    @Test func `tolerated with successors of their own: both live, and each was paid for`() {
        let bench = ScriptedBench(replay: .tolerated) { $0.replaySuccessor = .another }
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        let replay = bench.refresh(grant.refreshToken ?? "")
        #expect(replay.status == 200 && replay.refresh != first.refresh)
        #expect(bench.refresh(first.refresh).status == 200 && bench.refresh(replay.refresh).status == 200)
        #expect(bench.provider.redemptions(of: grant.family) == [2, 2, 0])
    }

    @Test func `within: replays are answered until the window ends, to the millisecond`() {
        let bench = ScriptedBench(replay: .within(.seconds(600)))
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(bench.use(first.access) == 200)
        bench.clock.advance(.milliseconds(599_999))
        #expect(bench.provider.isLive(refreshToken: grant.refreshToken ?? ""))
        #expect(bench.refresh(grant.refreshToken ?? "").refresh == first.refresh)
        bench.clock.advance(.milliseconds(1))
        #expect(!bench.provider.isLive(refreshToken: grant.refreshToken ?? ""))
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.use(first.access) == 200)
        #expect(bench.refresh(first.refresh).status == 200)
        #expect(bench.provider.reuseAlarms == 1)
    }

    @Test func `until first use: the new access token at an API ends the window`() {
        let bench = ScriptedBench(replay: .untilFirstUse(nil))
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        bench.clock.advance(.seconds(1000))
        #expect(bench.use(grant.accessToken) == 200, "the old one is not what the first use gave")
        #expect(bench.refresh(grant.refreshToken ?? "").refresh == first.refresh)
        #expect(bench.provider.isLive(accessToken: first.access), "looking is not using")
        #expect(bench.refresh(grant.refreshToken ?? "").refresh == first.refresh)
        #expect(bench.use(first.access) == 200)
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.refresh(first.refresh).status == 200)
    }

    @Test func `until first use: the new refresh token ends the window`() {
        let bench = ScriptedBench(replay: .untilFirstUse(nil))
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        let second = bench.refresh(first.refresh)
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
        #expect(bench.refresh(first.refresh).refresh == second.refresh, "nothing of the second was used")
    }

    @Test func `until first use, at most for so long`() {
        let bench = ScriptedBench(replay: .untilFirstUse(.seconds(3600)))
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        bench.clock.advance(.seconds(3599))
        #expect(bench.refresh(grant.refreshToken ?? "").refresh == first.refresh)
        bench.clock.advance(.seconds(1))
        #expect(bench.refresh(grant.refreshToken ?? "").error == "invalid_grant")
    }

    @Test func `the policy of the entry is the default`() {
        var entry = Provider.plain
        entry.refresh.replay = .revokes
        let bench = ScriptedBench(entry)
        let grant = bench.provider.grant()
        _ = bench.refresh(grant.refreshToken ?? "")
        _ = bench.refresh(grant.refreshToken ?? "")
        #expect(bench.provider.families[grant.family].isRevoked)
    }
}

@Suite struct `A scripted server rotates or does not` {
    @Test func `never: the refresh token stays, is not repeated, and cannot be replayed`() {
        let bench = ScriptedBench(replay: .revokes) { $0.rotation = .never }
        let grant = bench.provider.grant()
        for _ in 0..<3 {
            let reply = bench.refresh(grant.refreshToken ?? "")
            #expect(reply.status == 200 && reply["refresh_token"] == nil)
        }
        #expect(bench.provider.redemptions(of: grant.family) == [3])
        #expect(bench.provider.replays == 0)
    }

    @Test func `never, but repeating it in every reply`() {
        let bench = ScriptedBench {
            $0.rotation = .never
            $0.repeatsRefreshToken = true
        }
        let grant = bench.provider.grant()
        #expect(bench.refresh(grant.refreshToken ?? "").refresh == grant.refreshToken)
    }

    @Test func `sometimes: the seed says when`() {
        let bench = ScriptedBench(replay: .rejected) { $0.rotation = .sometimes }
        var token = bench.provider.grant().refreshToken ?? ""
        var rotations = 0
        for _ in 0..<40 {
            let reply = bench.refresh(token)
            #expect(reply.status == 200)
            if let next = reply["refresh_token"] { (token, rotations) = (next, rotations + 1) }
        }
        #expect((5...35).contains(rotations))
        #expect(bench.provider.redemptions(of: 0).reduce(0, +) == 40)
    }

    @Test func `an old access token dies at a refresh where the provider does so`() {
        let bench = ScriptedBench { $0.refreshEndsOldAccessTokens = true }
        let grant = bench.provider.grant()
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(bench.use(grant.accessToken) == 401 && bench.use(first.access) == 200)
    }

    @Test func `access tokens and idle refresh tokens end, the consent ends too`() {
        let bench = ScriptedBench {
            $0.accessLifetime = .seconds(60)
            $0.refreshLifetime = .seconds(600)
            $0.refreshAbsoluteLifetime = .seconds(1000)
        }
        let grant = bench.provider.grant()
        bench.clock.advance(.seconds(60))
        #expect(bench.use(grant.accessToken) == 401)
        bench.clock.advance(.seconds(539))
        let first = bench.refresh(grant.refreshToken ?? "")
        #expect(first.status == 200)
        // 401 seconds idle are less than 600, but the consent is 1000 seconds old.
        bench.clock.advance(.seconds(401))
        #expect(bench.refresh(first.refresh).error == "invalid_grant")
        let other = bench.provider.grant()
        bench.clock.advance(.seconds(600))
        #expect(bench.refresh(other.refreshToken ?? "").error == "invalid_grant")
    }

    @Test func `scopes shrink, and never grow`() {
        let bench = ScriptedBench { $0.scopeAfterRefresh = ["read"] }
        let grant = bench.provider.grant(scope: ["read", "write"])
        #expect(bench.refresh(grant.refreshToken ?? "", "&scope=read%20admin").error == "invalid_scope")
        let reply = bench.refresh(grant.refreshToken ?? "")
        #expect(reply["scope"] == "read")
        #expect(bench.provider.families[grant.family].scope == ["read"])
    }

    @Test func `an access token that is exchanged for a newer one goes by the same policies`() {
        var entry = Provider.plain
        entry.refresh.method = .accessToken
        let bench = ScriptedBench(entry, replay: .revokes)
        let grant = bench.provider.grant()
        #expect(grant.refreshToken == nil)
        let form = "grant_type=access_token&access_token=" + grant.accessToken
        let first = bench.post("/token", form)
        #expect(first.status == 200 && first.access != grant.accessToken && first["refresh_token"] == nil)
        #expect(bench.post("/token", form).error == "invalid_grant")
        #expect(bench.use(first.access) == 401)
        #expect(bench.provider.redemptions(of: grant.family) == [1, 0])
    }
}
