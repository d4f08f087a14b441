import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `P4 under a policy: which replaced refresh tokens are accepted` {
    private static let hour = Duration.seconds(3600)
    private static let day = Duration.seconds(86400)

    /// A grant of a client with this policy; access tokens live an hour, and the grant 30 days.
    private struct Scene {
        let test: TestVault
        let party: Party
        let first: IssuedTokens

        init(_ rotation: RefreshTokenRotation) async throws {
            test = try await TestVault()
            party = try await Party(test.vault) {
                $0.rotation = rotation
                $0.lifetimes.absolute = .seconds(30 * 86400)
            }
            first = try await party.begin()
        }

        func pass(_ time: Duration) { test.clock.advance(by: time) }

        /// The entries of refreshes.
        func entries() async throws -> [AuditEntry] {
            try await test.vault.log.entries(limit: 1_000_000).filter { $0.operation == "token.refresh" }
        }

        func logSize() async throws -> Int { try await test.vault.log.entries(limit: 1_000_000).count }

        /// Many machines ask with one token at the same moment.
        func refreshAtOnce(_ token: SecretBytes, _ count: Int) async throws -> [ExchangeResult] {
            try await withThrowingTaskGroup(of: ExchangeResult.self) { group in
                for _ in 0..<count { group.addTask { try await party.refresh(token) } }
                return try await group.reduce(into: []) { $0.append($1) }
            }
        }

        func expectIntact() async throws {
            let report = try await test.vault.log.verify()
            #expect(report.isIntact, "\(report.findings)")
        }
    }

    @Test
    func `until first use, a replaced token gets the current pair, and moves the grant on when that is over`()
        async throws
    {
        let scene = try await Scene(.untilFirstUse(cap: Self.day))
        let second = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        #expect(try await scene.test.vault.validate(second.pair.accessToken) != nil)
        scene.pass(.seconds(3570))
        let again = try #require(await scene.party.refresh(scene.first.refreshToken).replayed)
        #expect(again.text == second.text)
        #expect(again.expiresIn == 30)
        scene.pass(.seconds(30))
        let third = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        #expect(third.generation == 3)
        // The other machine has the token between, which was never used, and learns of the same pair.
        #expect(try await scene.party.refresh(second.refreshToken).replayed?.text == third.text)
        #expect(try await scene.test.vault.validate(third.pair.accessToken) != nil)
        let reasons = try await scene.entries().map { "\($0.outcome) \($0.reason ?? "")" }
        #expect(reasons.filter { $0.hasSuffix(RotationRules.staleUse) }.count == 2, "\(reasons)")
        try await scene.expectIntact()
    }

    @Test func `until first use, the used successor ends it`() async throws {
        let scene = try await Scene(.untilFirstUse(cap: Self.day))
        let second = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        let third = try #require(await scene.party.refresh(second.refreshToken).issued)
        #expect(try await scene.party.refresh(scene.first.refreshToken).refusal == .refreshTokenReused)
        #expect(try await scene.test.vault.validate(third.pair.accessToken) == nil)
    }

    @Test(arguments: [
        RefreshTokenRotation.untilFirstUse(cap: day), .staleTolerant(generations: 2, cap: day),
    ])
    func `the cap ends it, to the millisecond`(_ rotation: RefreshTokenRotation) async throws {
        for (late, isAccepted) in [(-1, true), (0, false)] {
            let scene = try await Scene(rotation)
            _ = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
            scene.pass(Self.day + .milliseconds(late))
            let result = try await scene.party.refresh(scene.first.refreshToken)
            #expect((result.issued != nil) == isAccepted)
            #expect(result.refusal == (isAccepted ? nil : .refreshTokenReused))
        }
    }

    @Test(arguments: [
        RefreshTokenRotation.untilFirstUse(cap: day), .staleTolerant(generations: 2, cap: day),
    ])
    func `100 at once with a replaced token make one successor`(_ rotation: RefreshTokenRotation) async throws
    {
        let scene = try await Scene(rotation)
        let lost = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        scene.pass(Self.hour)
        let results = try await scene.refreshAtOnce(scene.first.refreshToken, 100)
        #expect(results.compactMap(\.issued).count == 1)
        let pairs = results.compactMap { $0.issued ?? $0.replayed }
        #expect(pairs.count == 100)
        #expect(Set(pairs.map(\.text)).count == 1)
        #expect(pairs.first?.generation == lost.generation + 1)
        try await scene.expectIntact()
    }

    @Test func `tokens of three generations take turns for a month, and end with the grant`() async throws {
        let scene = try await Scene(.staleTolerant(generations: 3, cap: Self.day))
        var held = Array(repeating: scene.first, count: 3)
        var turn = 0
        while true {
            scene.pass(Self.hour / 2)
            let result = try await scene.party.refresh(held[turn % 3].refreshToken)
            guard let next = result.issued ?? result.replayed else {
                #expect(result.refusal == .absoluteExpired)
                break
            }
            #expect(next.generation >= held.map(\.generation).max() ?? 0)
            held[turn % 3] = next
            turn += 1
        }
        #expect(turn == 30 * 48 - 1)
    }

    @Test func `a process that keeps its first token is served as far as the policy goes, and no further`()
        async throws
    {
        let scene = try await Scene(.staleTolerant(generations: 3, cap: Self.day))
        for generation in 2...4 {
            let next = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
            #expect(next.generation == UInt32(generation))
            scene.pass(Self.hour)
        }
        let fifth = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        scene.pass(Self.hour)
        #expect(try await scene.party.refresh(scene.first.refreshToken).refusal == .refreshTokenReused)
        #expect(try await scene.party.refresh(fifth.refreshToken).refusal == .grantRevoked)
    }

    @Test func `a flood of uses adds one entry a minute, which counts them`() async throws {
        let scene = try await Scene(.untilFirstUse(cap: Self.day))
        _ = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        scene.pass(.seconds(90))
        let before = try await scene.logSize()
        for _ in 0..<300 { #expect(try await scene.party.refresh(scene.first.refreshToken).replayed != nil) }
        #expect(try await scene.logSize() == before + 1)
        scene.pass(.seconds(60))
        for _ in 0..<300 { #expect(try await scene.party.refresh(scene.first.refreshToken).replayed != nil) }
        let alarms = try await scene.entries().filter { $0.reason == RotationRules.staleUse }
        #expect(alarms.map(\.count) == [1, 301])
        #expect(alarms.map(\.generation) == [1, 1])
        #expect(alarms.allSatisfy { $0.fingerprint != nil && $0.outcome == "replayed" })
        try await scene.expectIntact()
    }

    @Test func `no policy accepts a token of another client, of an ended grant or of a disabled user`()
        async throws
    {
        let scene = try await Scene(.staleTolerant(generations: 1000, cap: .seconds(30 * 86400)))
        let token = try scene.first.refreshToken
        let second = try #require(await scene.party.refresh(token).issued)
        let third = try #require(await scene.party.refresh(second.refreshToken).issued)
        let other = try await Party(scene.test.vault, "other", user: "bob") {
            $0.rotation = scene.party.client.registration.rotation
        }
        #expect(try await other.refresh(token).refusal == .wrongClient)
        #expect(try await scene.party.refresh(token).replayed?.text == third.text)
        try await scene.test.vault.users.disable("alice")
        #expect(try await scene.party.refresh(token).refusal == .ownerDisabled)
        try await scene.test.vault.users.enable("alice")
        // The access token of the first pair is sealed with the same key, and is no refresh token.
        #expect(try await scene.party.refresh(scene.first.pair.accessToken).refusal == .unknownGrant)
        try await scene.test.vault.grants.revoke(second.grant)
        #expect(try await scene.party.refresh(token).refusal == .grantRevoked)
    }

    @Test func `a policy that is taken back counts from the next request`() async throws {
        let scene = try await Scene(.untilFirstUse(cap: Self.day))
        _ = try #require(await scene.party.refresh(scene.first.refreshToken).issued)
        scene.pass(.seconds(90))
        #expect(try await scene.party.refresh(scene.first.refreshToken).replayed != nil)
        _ = try await scene.test.vault.clients.change("app") { $0.rotation = .strict }
        #expect(try await scene.party.refresh(scene.first.refreshToken).refusal == .refreshTokenReused)
    }

    @Test(arguments: [
        RefreshTokenRotation.untilFirstUse(cap: .seconds(59)), .untilFirstUse(cap: .seconds(30 * 86400 + 1)),
        .staleTolerant(generations: 0, cap: day), .staleTolerant(generations: 1001, cap: day),
        .staleTolerant(generations: 1, cap: .zero),
    ])
    func `a policy without limits is refused`(_ rotation: RefreshTokenRotation) async throws {
        let test = try await TestVault()
        let vault = test.vault
        await #expect(throws: VaultError.self) { try await Party(vault) { $0.rotation = rotation } }
        _ = try await Party(vault)
        let error = await #expect(throws: VaultError.self) {
            try await vault.clients.change("app") { $0.rotation = rotation }
        }
        #expect(error?.code == .invalidInput)
    }

    @Test func `what is registered is kept, and shown again`() async throws {
        let test = try await TestVault()
        for (name, rotation) in [
            ("a", RefreshTokenRotation.strict), ("b", .untilFirstUse(cap: .seconds(90))),
            ("c", .staleTolerant(generations: 7, cap: Self.day)),
        ] {
            _ = try await Party(test.vault, name, user: name) { $0.rotation = rotation }
            #expect(try await test.vault.clients.find(name).registration.rotation == rotation)
        }
    }
}
