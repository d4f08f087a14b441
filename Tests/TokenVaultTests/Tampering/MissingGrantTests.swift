import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

/// A token says until when its grant must be there.
@Suite(.bounded) struct `P9: a grant that is missing is damage until its token is over` {
    private let damaged = VaultError(.integrity, "")

    private func isGone(_ tokens: IssuedTokens, _ party: Party, in vault: Vault) async throws {
        let refreshToken = try tokens.refreshToken
        #expect(try await party.refresh(refreshToken, in: vault).refusal == .unknownGrant)
        #expect(try await vault.validate(tokens.pair.accessToken) == nil)
        #expect(try await vault.inspectRefreshToken(refreshToken) == nil)
        #expect(try await vault.grants.revoke(refreshToken, by: party.client) == false)
    }

    private func isDamaged(_ tokens: IssuedTokens, _ party: Party, in vault: Vault) async throws {
        let refreshToken = try tokens.refreshToken
        await #expect(throws: damaged) { try await party.refresh(refreshToken, in: vault) }
        await #expect(throws: damaged) { try await vault.validate(tokens.pair.accessToken) }
        await #expect(throws: damaged) { try await vault.inspectRefreshToken(refreshToken) }
        await #expect(throws: damaged) { _ = try await vault.grants.revoke(refreshToken, by: party.client) }
    }

    /// So that clocks are believed again after they were set, and old grants are deleted.
    private func deleteOldGrants(_ test: TestVault, _ party: Party, leaving count: Int = 1) async throws {
        _ = try await party.authorize()
        test.clock.advance(by: .seconds(3601))
        _ = try await party.authorize()
        try #require(
            try Int(test.sql("SELECT count(*) FROM grants WHERE generation > 0")) == count - 1)
    }

    @Test(.withSQL) func `a row that was deleted from the store is missed until its tokens are over`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault) { $0.lifetimes.idle = .seconds(86_400) }
        let tokens = try await party.begin()
        let code = try await party.authorize()
        try test.sql("DELETE FROM grants")
        #expect(try await party.redeem(code).refusal == .unknownGrant, "a code is not waited for")
        try await isDamaged(tokens, party, in: test.vault)
        test.clock.advance(by: .seconds(3599))
        try await isDamaged(tokens, party, in: test.vault)
        // Minutes are rounded up, and the pair is sealed a moment before it is written.
        test.clock.advance(by: .seconds(121))
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
        await #expect(throws: damaged) { try await party.refresh(tokens.refreshToken) }
        test.clock.advance(by: .seconds(86_400 - 3599 - 121 - 1))
        await #expect(throws: damaged) { try await party.refresh(tokens.refreshToken) }
        test.clock.advance(by: .seconds(121))
        try await isGone(tokens, party, in: test.vault)
    }

    @Test(.withSQL) func `an access token of a client's own says its end too`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await test.vault.issueClientCredentials(
            to: party.client, scope: .empty, channel: .library, requestID: nil)
        try test.sql("DELETE FROM grants")
        test.clock.advance(by: .seconds(3599))
        await #expect(throws: damaged) { try await test.vault.validate(tokens.pair.accessToken) }
        test.clock.advance(by: .seconds(61))
        #expect(try await test.vault.validate(tokens.pair.accessToken) == nil)
    }

    /// The shorter idle lifetime meets the grant's end only at the first refresh, which nothing foretells.
    @Test(.withSQL, arguments: [993_600, 30 * 86_400])
    func `no token says an end after its grant's, however long it might have been idle`(_ idle: Int)
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault) {
            $0.lifetimes.idle = .seconds(idle)
            $0.lifetimes.absolute = .seconds(12 * 86_400)
        }
        var all = [try await party.begin()]
        for pause in [259_200, 259_200, 475_200] {
            test.clock.advance(by: .seconds(pause))
            all.append(try #require(try await party.refresh(all[all.count - 1].refreshToken).issued))
        }
        test.clock.advance(by: .seconds(820_800))
        try await deleteOldGrants(test, party)
        for tokens in all { try await isGone(tokens, party, in: test.vault) }
    }

    @Test(.withSQL) func `a pair that was prepared under other lifetimes gets the end of its row`()
        async throws
    {
        let test = try await TestVault()
        // The client as it is now knows of a day.
        let party = try await Party(test.vault) { $0.lifetimes.idle = .seconds(86_400) }
        let first = try await party.begin()
        _ = try await test.vault.clients.change("app") { $0.lifetimes.idle = .seconds(60 * 86_400) }
        let second = try #require(try await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(59 * 86_400))
        try test.sql("DELETE FROM grants")
        await #expect(throws: damaged) { try await party.refresh(second.refreshToken) }
        test.clock.advance(by: .seconds(86_400 + 121))
        #expect(try await party.refresh(second.refreshToken).refusal == .unknownGrant)
    }

    @Test(.withSQL) func `a grant whose lifetimes were shortened stays until the last of its tokens is over`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let short = try await test.vault.clients.change("app") {
            $0.lifetimes.idle = .seconds(60)
            $0.lifetimes.accessToken = .seconds(60)
        }
        #expect(short.client.registration.lifetimes.idle == .seconds(60))
        _ = try #require(try await party.refresh(first.refreshToken).issued)
        test.clock.advance(by: .seconds(20 * 86_400))
        try await deleteOldGrants(test, party, leaving: 2)
        #expect(try await party.refresh(first.refreshToken).refusal == .idleExpired)
    }

    @Test(.withSQL) func `what was deleted while the clock was ahead is not missed when it is put right`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        test.clock.step(.seconds(60 * 86_400))
        try await deleteOldGrants(test, party)
        test.clock.step(.seconds(-60 * 86_400))
        try await isGone(tokens, party, in: test.vault)
    }

    @Test(.ofFiles)
    func `a restore lost the numbers it skips: their tokens are invalid_grant, those after them are good`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let kept = try await party.begin()
        test.clock.advance(by: .seconds(120))
        let backup = try await test.backUp()
        test.clock.advance(by: .seconds(60))
        let lost = try await party.begin()
        let lostCode = try await party.authorize()
        for (name, newest) in [("with", NewestLog.vault(path: test.path)), ("without", nil)] {
            _ = try await test.restore(backup, to: name, newest: newest).apply()
            // In the minute of the restore a token may be of either life.
            test.clock.advance(by: .seconds(61))
            let vault = try await test.open(name)
            try await isGone(lost, party, in: vault)
            #expect(try await party.redeem(lostCode, in: vault).refusal == .unknownGrant)
            let code = try await vault.authorize(
                Authorization(
                    client: party.client.clientID, user: "alice", scope: kept.scope,
                    redirectURI: Party.redirectURI)
            ).code
            let new = try #require(try await party.redeem(code, in: vault).issued)
            let path = test.directory + "/" + name
            let range = try sqlite(path, "SELECT lost_from, lost_to, lost_since FROM incarnations")
            #expect(range.hasPrefix("\(lost.grant)|\(new.grant)|"), "\(range)")
            #expect(try await vault.validate(new.pair.accessToken) != nil)
            #expect(try await party.refresh(new.refreshToken, in: vault).issued != nil)
            // Rows that the restore did not lose are missed as ever.
            _ = try sqlite(path, "DELETE FROM grants")
            try await isDamaged(new, party, in: vault)
            try await isDamaged(kept, party, in: vault)
            #expect(try await vault.log.verify().isIntact == false)
            await vault.close()
        }
    }

    @Test(.ofFiles) func `a grant that came back by a restore is not missed for the tokens of the lost time`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let old = try await party.begin()
        let backup = try await test.backUp()
        test.clock.advance(by: .seconds(20 * 86_400))
        let newer = try #require(try await party.refresh(old.refreshToken).issued)
        _ = try await test.restore(backup, newest: .vault(path: test.path)).apply()
        let vault = try await test.open()
        #expect(try await party.refresh(newer.refreshToken, in: vault).refusal == .grantRevoked)
        // The row of the backup ends twenty days before the token of the lost time.
        test.clock.advance(by: .seconds(20 * 86_400))
        for _ in 0..<2 {
            _ = try await vault.authorize(
                Authorization(
                    client: party.client.clientID, user: "alice", scope: old.scope,
                    redirectURI: Party.redirectURI))
            test.clock.advance(by: .seconds(3601))
        }
        let path = test.directory + "/restored"
        try #require(try sqlite(path, "SELECT count(*) FROM grants WHERE id = \(old.grant)") == "0")
        try await isGone(newer, party, in: vault)
        await vault.close()
    }
}
