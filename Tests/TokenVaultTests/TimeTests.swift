import TestSupport
import Testing
import TokenIssuer
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `Windows and lifetimes over the store` {
    @Test func `first use closes the retry window, in this process at once and in others once written`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        #expect(try await test.vault.validate(second.pair.accessToken) != nil)
        // Within the race window first use closes nothing.
        test.clock.advance(by: .seconds(9))
        #expect(try await party.refresh(first.refreshToken).replayed != nil)
        await test.vault.close()
        let other = try await test.reopen()
        test.clock.advance(by: .seconds(2))
        #expect(try await party.refresh(first.refreshToken, in: other).refusal == .refreshTokenReused)
        let report = try await other.log.verify()
        #expect(report.isIntact, "\(report.findings)")
        await other.close()
    }

    @Test(.ofFiles) func `an outage does not use up the retry window`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.beginServing()
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(5))
        try await test.vault.proveWritePath()
        await test.vault.close()
        test.clock.advance(by: .seconds(4000))
        let later = try await test.reopen()
        try await later.beginServing()
        test.clock.advance(by: .seconds(50))
        #expect(try await party.refresh(first.refreshToken, in: later).replayed?.text == second.text)
        test.clock.advance(by: .seconds(6))
        #expect(try await party.refresh(first.refreshToken, in: later).refusal == .refreshTokenReused)
        await later.close()
    }

    @Test(.ofFiles) func `a machine that started again between two heartbeats uses up no retry window`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        try await test.vault.beginServing()
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(5))
        try await test.vault.proveWritePath()
        // The other clock has run as long as time passed, so the two readings look like those of one clock.
        test.clock.reboot()
        test.clock.advance(by: .seconds(4000))
        try await test.vault.proveWritePath()
        #expect(try sqlite(test.path, "SELECT heartbeat_clock, outage FROM vault") == "boot 2|4000000")
        test.clock.advance(by: .seconds(50))
        try await test.vault.proveWritePath()
        #expect(try await party.refresh(first.refreshToken).replayed?.text == second.text)
        test.clock.advance(by: .seconds(6))
        #expect(try await party.refresh(first.refreshToken).refusal == .refreshTokenReused)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `a wall clock that is wrong for a while neither opens nor closes a retry window`() async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault) { $0.lifetimes.accessToken = .seconds(400 * 86400) }
        try await test.vault.beginServing()
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        // A year ahead, with a heartbeat, and back again.
        for step in [365 * 86400, -365 * 86400] {
            test.clock.step(.seconds(step))
            test.clock.advance(by: .seconds(5))
            try await test.vault.proveWritePath()
        }
        #expect(try await party.refresh(first.refreshToken).replayed?.text == second.text)
        test.clock.advance(by: .seconds(51))
        #expect(try await party.refresh(first.refreshToken).refusal == .refreshTokenReused)
    }

    @Test func `a clock that runs backwards neither expires nor unorders anything`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        test.clock.step(.seconds(-7200))
        let second = try #require(await party.refresh(first.refreshToken).issued)
        #expect(try await party.refresh(first.refreshToken).replayed?.text == second.text)
        #expect(try await test.vault.validate(second.pair.accessToken) != nil)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `what was made while the clock was ahead is accepted once it is put right`() async throws {
        let test = try await TestVault()
        test.clock.step(.seconds(3600))
        let party = try await Party(test.vault)
        let made = try await test.vault.clients.rotateSecret(of: "app", overlap: .seconds(60))
        let tokens = try await party.begin()
        let session = try await test.vault.startSession(
            user: party.user.id, signedInAt: test.clock.now(), lifetime: .seconds(600))
        let form = try test.vault.sealed([1], purpose: "form", lifetime: .seconds(600))
        test.clock.step(.seconds(-3600))
        let secret = try #require(made.secret)
        let client = try await test.vault.clients.find("app")
        #expect(client.secrets.allSatisfy { $0.notBefore > test.clock.now() })
        #expect(test.vault.judge(secret, of: client) == .accepted(generation: 2, isNewest: true))
        #expect(try await test.vault.validate(tokens.pair.accessToken) != nil)
        #expect(try await party.refresh(tokens.refreshToken).issued != nil)
        #expect(try await test.vault.session(session) != nil)
        #expect(test.vault.unseal(form, purpose: "form") == [1])
        // Its end is kept: it protects.
        let old = try await test.vault.clients.rotateSecret(of: "app", overlap: .zero)
        #expect(test.vault.judge(secret, of: old.client) == .expired(generation: 2))
    }

    @Test func `idle lifetime slides, absolute lifetime does not`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault) { registration in
            registration.lifetimes.idle = .seconds(100)
            registration.lifetimes.absolute = .seconds(250)
            registration.lifetimes.accessToken = .seconds(1000)
        }
        var tokens = try await party.begin()
        for _ in 0..<2 {
            test.clock.advance(by: .seconds(99))
            tokens = try #require(await party.refresh(tokens.refreshToken).issued)
        }
        #expect(tokens.expiresIn == 52)
        test.clock.advance(by: .seconds(53))
        #expect(try await party.refresh(tokens.refreshToken).refusal == .absoluteExpired)
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)

        let idle = try await party.begin()
        test.clock.advance(by: .seconds(100))
        #expect(try await party.refresh(idle.refreshToken).refusal == .idleExpired)
    }

    @Test func `a code dies with its minute, and once used it revokes what it gave`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let late = try await party.authorize()
        test.clock.advance(by: .seconds(60))
        #expect(try await party.redeem(late).refusal == .codeExpired)

        let code = try await party.authorize()
        let tokens = try #require(await party.redeem(code).issued)
        let next = try #require(await party.refresh(tokens.refreshToken).issued)
        #expect(try await party.redeem(code).refusal == .codeReused)
        #expect(try await party.refresh(next.refreshToken).refusal == .grantRevoked)
        #expect(try await test.vault.validate(next.pair.accessToken) == nil)
    }

    @Test func `access tokens of the current and the previous generation are valid, older ones are not`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let second = try #require(await party.refresh(first.refreshToken).issued)
        #expect(try await test.vault.validate(first.pair.accessToken)?.generation == 1)
        _ = try await party.refresh(second.refreshToken)
        #expect(try await test.vault.validate(first.pair.accessToken) == nil)
        #expect(try await test.vault.validate(second.pair.accessToken)?.generation == 2)
    }

    @Test func `a refresh token is no access token, and the other way round`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        #expect(try await test.vault.validate(tokens.refreshToken) == nil)
        #expect(try await party.refresh(tokens.pair.accessToken).refusal == .unknownGrant)
        #expect(try await party.redeem(tokens.refreshToken).refusal == .unknownGrant)
        #expect(try await test.vault.grants.find(tokens.grant).state == .live)
    }
}
