import TestSupport
import Testing
import TokenIssuer
import TokenKeeper
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto
import VaultCustody

@Suite(.bounded) struct `P10: strangers add one entry a minute to the log, and every refusal is counted` {
    private let minute = Limits.foldedRefusalInterval

    /// A vault with a client that has a secret, and one that anybody can claim to be.
    private struct Scene {
        let test: TestVault
        let party: Party
        let phone: Party
        var vault: Vault { test.vault }

        init() async throws {
            test = try await TestVault()
            party = try await Party(test.vault)
            phone = try await Party(
                test.vault, "phone", user: "bob", grants: [.authorizationCode, .refreshToken]
            ) { $0.authenticationMethods = [.none] }
        }

        /// What anyone on the network can send: six kinds, each time with other values.
        func attack(_ times: Int) async throws {
            for number in 0..<times {
                try await refuse(.unknownClient)
                try await refuse(.wrongSecret, party)
                try await refuse(.missingParameter, phone)
                #expect(
                    try await phone.refresh(Secret(copying: "tv_rt_forged\(number)")).refusal == .unknownGrant
                )
                #expect(
                    try await phone.redeem(Secret(copying: "tv_ac_forged\(number)")).refusal == .unknownGrant)
                let state = SecretBytes(copying: "state \(number)")
                #expect(
                    try await vault.takeAuthorization(state: state, session: Secret(copying: "session"))
                        == nil)
            }
        }

        func refuse(_ reason: TokenRequestRefusal, _ party: Party? = nil) async throws {
            try await vault.recordRefusal(reason, client: party?.client, channel: .http, requestID: "r1")
        }

        /// Until strangers have no entries of their own any more.
        func useUpRoom() async throws {
            for _ in 0..<Limits.auditedRefusalsAtOnce { try await refuse(.unknownClient) }
        }

        func newest() async throws -> AuditEntry {
            try await vault.log.entry(vault.auditSize() - 1).entry
        }
    }

    private func kinds(_ entry: AuditEntry) -> [String: Int64] {
        Dictionary(
            uniqueKeysWithValues: entry.foldedRefusals.map { ("\($0.operation)/\($0.reason)", $0.count) })
    }

    @Test
    func `thousands of wrong requests are one entry a minute, counted by kind, and none is lost at close`()
        async throws
    {
        let scene = try await Scene()
        let before = try await scene.vault.auditSize()
        try await scene.useUpRoom()
        let first = try await scene.newest()
        #expect(first.operation == "client.authenticate" && first.requestID == "r1" && first.count == nil)
        try await scene.attack(500)
        let size = before + Int64(Limits.auditedRefusalsAtOnce)
        #expect(try await scene.vault.auditSize() == size)

        scene.test.clock.advance(by: minute)
        #expect(try await scene.vault.users.signIn("eve", password: Secret(copying: "guess")) == nil)
        #expect(try await scene.vault.auditSize() == size + 1)
        let entry = try await scene.newest()
        #expect(entry.operation == "audit.refusals" && entry.outcome == "refused")
        #expect(entry.actor == "anonymous" && entry.count == 3001 && !entry.isAlarm)
        #expect(
            kinds(entry) == [
                "client.authenticate/unknown_client": 500, "client.authenticate/wrong_secret": 500,
                "token.request/missing_parameter": 500, "token.refresh/unknown_grant": 500,
                "token.code/unknown_grant": 500, "connection.callback/unknown-state": 500,
                "user.sign-in/unknown_user": 1,
            ])

        try await scene.attack(20)
        scene.test.clock.advance(by: minute)
        try await scene.attack(1)
        #expect(try await scene.vault.auditSize() == size + 2)
        #expect(try await scene.newest().count == 121)

        await scene.vault.close()
        let vault = try await scene.test.reopen()
        let last = try #require(
            try await vault.log.entries(from: size + 2, limit: 10).first { $0.operation == "audit.refusals" }
        )
        #expect(last.count == 5)
        #expect(try await vault.log.verify().isIntact)
        await vault.close()
    }

    @Test func `who never stops has an entry a minute in all, whatever is tried`() async throws {
        let scene = try await Scene()
        let before = try await scene.vault.auditSize()
        for _ in 0..<600 {
            try await scene.attack(1)
            scene.test.clock.advance(by: .seconds(1))
        }
        let entries = try await scene.vault.auditSize() - before
        #expect(entries <= 10 + Int64(Limits.auditedRefusalsAtOnce))
        #expect(entries >= 10)
    }

    @Test func `however loud strangers are, what holders are refused has entries of its own`() async throws {
        let scene = try await Scene()
        let (vault, party) = (scene.vault, scene.party)
        let revoked = try await party.begin()
        try await vault.grants.revoke(revoked.grant)
        let first = try await party.begin()
        let other = try await Party(vault, "other", user: "carol")
        try await scene.useUpRoom()
        try await scene.attack(10)

        #expect(try await party.refresh(revoked.refreshToken).refusal == .grantRevoked)
        var entry = try await scene.newest()
        #expect(entry.reason == "grant_revoked" && entry.grant == revoked.grant.rawValue)
        #expect(try await !vault.grants.revoke(first.refreshToken, by: other.client))
        entry = try await scene.newest()
        #expect(entry.reason == "wrong_client" && entry.grant == first.grant.rawValue && entry.isAlarm)
        try await scene.refuse(.scopeExceeded, party)
        entry = try await scene.newest()
        #expect(entry.reason == "scope_exceeded" && entry.actor != "anonymous")
        try await vault.recordRefusal(
            .secretExpired, client: party.client, secretGeneration: 1, channel: .http, requestID: nil)
        entry = try await scene.newest()
        #expect(entry.reason == "secret_expired" && entry.generation == 1)

        let second = try #require(await party.refresh(first.refreshToken).issued)
        _ = try await party.refresh(second.refreshToken)
        #expect(try await party.refresh(first.refreshToken).refusal == .refreshTokenReused)
        entry = try await scene.newest()
        #expect(entry.outcome == "revoked" && entry.grant == first.grant.rawValue)
    }

    @Test func `a token that is refused again and again has an entry a minute, and the others are counted`()
        async throws
    {
        let scene = try await Scene()
        let tokens = try await scene.party.begin()
        try await scene.vault.grants.revoke(tokens.grant)
        let before = try await scene.vault.auditSize()
        for _ in 0..<50 {
            #expect(try await scene.party.refresh(tokens.refreshToken).refusal == .grantRevoked)
        }
        #expect(try await scene.vault.auditSize() == before + 1)
        scene.test.clock.advance(by: minute)
        _ = try await scene.party.refresh(tokens.refreshToken)
        #expect(try await scene.vault.auditSize() == before + 2)
        try await scene.refuse(.unknownClient)
        let entry = try await scene.newest()
        #expect(
            kinds(entry) == [
                "token.refresh/grant_revoked": 49, "client.authenticate/unknown_client": 1,
            ])
        let digest = try await scene.vault.log.digest()
        #expect(digest.timeline.reduce(0) { $0 + $1.refused } == 51)
        #expect(try await scene.vault.status().exchanges.refused == 51)
    }

    @Test func `a reason with a slash is one kind, whose operation ends at the first`() async throws {
        let scene = try await Scene()
        try await scene.useUpRoom()
        for reason in ["a/b", "a/b", "a/b/c", "a", "a/", ""] {
            try await scene.vault.record(
                AuditEvent(.clientAuthentication, .refused, by: AuditActor(nil, .http), reason: reason))
        }
        scene.test.clock.advance(by: minute)
        try await scene.refuse(.unknownClient)
        let folded = try await scene.newest().foldedRefusals
        #expect(folded.allSatisfy { $0.operation == "client.authenticate" })
        #expect(
            Dictionary(uniqueKeysWithValues: folded.map { ($0.reason, $0.count) })
                == ["a/b": 2, "a/b/c": 1, "a": 1, "a/": 1, "": 1, "unknown_client": 1])
    }

    @Test func `more kinds than a leaf can name are counted together`() async throws {
        let scene = try await Scene()
        try await scene.useUpRoom()
        for number in 1...100 {
            let reason = "a-reason-as-long-as-any-\(number)"
            for _ in 0..<number {
                try await scene.vault.record(
                    AuditEvent(.clientAuthentication, .refused, by: AuditActor(nil, .http), reason: reason))
            }
        }
        scene.test.clock.advance(by: minute)
        try await scene.refuse(.unknownClient)
        let entry = try await scene.newest()
        #expect(entry.count == 5051)
        #expect(entry.foldedRefusals.count == Limits.foldedRefusalKinds + 1)
        #expect(entry.foldedRefusals.reduce(0) { $0 + $1.count } == 5051)
        #expect(entry.foldedRefusals.first?.reason == "a-reason-as-long-as-any-100")
        #expect(try await scene.vault.log.verify().isIntact)
    }
}
