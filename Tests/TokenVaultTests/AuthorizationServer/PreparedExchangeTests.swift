import TestSupport
import Testing
import TokenRotation
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `Prepared exchanges: what is signed before the commit is what is given` {
    private func request(_ party: Party, _ token: SecretBytes, scope: String? = nil) -> ExchangeRequest {
        var request = ExchangeRequest(
            kind: .refreshToken, credential: token, client: party.client, channel: .library)
        request.scope = scope.flatMap(ScopeSet.init(parsing:))
        return request
    }

    private func authorize(_ party: Party, nonce: String?, at time: VaultInstant?) async throws
        -> ExchangeRequest
    {
        var authorization = Authorization(
            client: party.client.id, user: party.user.id,
            scope: try #require(ScopeSet(parsing: "basic readmeasurements")),
            redirectURI: Party.redirectURI)
        authorization.nonce = nonce
        authorization.authenticationTime = time
        let code = try await party.vault.authorize(authorization, through: .http, requestID: "r").code
        var request = ExchangeRequest(
            kind: .authorizationCode, credential: code, client: party.client, channel: .library)
        request.redirectURI = Party.redirectURI
        return request
    }

    /// A token that the store has not heard of: a file lost it; a server may have been replaced.
    private static let lost = VaultError(TestStore.isPostgres ? .unavailable : .integrity, "")

    @Test func `a code: nonce, time of authentication and the very access token`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let request = try await authorize(party, nonce: "n-0S6", at: test.clock.now())
        let before = try await test.vault.auditSize()
        let prepared = try #require(try await test.vault.prepareExchange(request))
        #expect(try await test.vault.auditSize() == before)
        #expect(prepared.owner == party.user.id && prepared.client == party.client.id)
        #expect(prepared.context.nonce == "n-0S6" && prepared.generation == 1 && !prepared.isReplay)
        #expect(prepared.context.authenticationTime == test.clock.now().secondsSince1970)
        #expect(prepared.scope.text == "basic readmeasurements")
        // Nothing of it is good yet.
        await #expect(throws: Self.lost) {
            try await test.vault.validate(prepared.accessToken)
        }
        let tokens = try #require(await test.vault.exchange(request, prepared: prepared).issued)
        #expect(tokens.pair.accessToken.withExposed { $0 } == prepared.accessToken.withExposed { $0 })
        #expect(tokens.context?.nonce == "n-0S6")
        #expect(tokens.owner == party.user.id && tokens.client == party.client.id)
        #expect(tokens.kind == .authorizationCode)
        #expect(try await test.vault.validate(prepared.accessToken) != nil)
    }

    @Test func `a refresh and its repetition: the same time of authentication, the same token`() async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let signedIn = test.clock.now()
        let code = try await authorize(party, nonce: "n", at: signedIn)
        let first = try #require(await test.vault.exchange(code).issued)
        test.clock.advance(by: .seconds(1000))
        let refresh = request(party, try first.refreshToken, scope: "basic")
        let prepared = try #require(try await test.vault.prepareExchange(refresh))
        #expect(prepared.scope.text == "basic")
        let second = try #require(await test.vault.exchange(refresh, prepared: prepared).issued)
        let again = try #require(try await test.vault.prepareExchange(refresh))
        #expect(again.isReplay && again.generation == 2 && again.scope.text == "basic")
        #expect(again.context.authenticationTime == signedIn.secondsSince1970)
        #expect(again.accessToken.withExposed { $0 } == second.pair.accessToken.withExposed { $0 })
        let replayed = try #require(await test.vault.exchange(refresh, prepared: again).replayed)
        #expect(replayed.text == second.text)
    }

    @Test func `when another was faster nothing is given, and preparing again gives the same pair`()
        async throws
    {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let refresh = request(party, try first.refreshToken)
        let prepared = try #require(try await test.vault.prepareExchange(refresh))
        let winner = try #require(await test.vault.exchange(refresh).issued)
        let size = try await test.vault.auditSize()
        await #expect(throws: VaultError(.busy, "")) {
            try await test.vault.exchange(refresh, prepared: prepared)
        }
        #expect(try await test.vault.auditSize() == size)
        #expect(try await test.vault.grants.find(first.grant).state == .live)
        let (result, signed) = try await test.vault.exchange(refresh, ifScopeContains: "basic") {
            $0.accessToken.withExposed { $0 }
        }
        #expect(result.replayed?.text == winner.text)
        #expect(signed == winner.pair.accessToken.withExposed { $0 })
    }

    @Test func `64 at once, each signing: one successor, every signature over it`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let first = try await party.begin()
        let refresh = request(party, try first.refreshToken)
        let signed = try await withThrowingTaskGroup(of: [UInt8].self) { group in
            for _ in 0..<64 {
                group.addTask {
                    let (result, signed) = try await test.vault.exchange(refresh, ifScopeContains: "basic") {
                        prepared in
                        await Task.yield()
                        return prepared.accessToken.withExposed { $0 }
                    }
                    let tokens = try #require(result.issued ?? result.replayed)
                    #expect(signed == tokens.pair.accessToken.withExposed { $0 })
                    return try #require(signed)
                }
            }
            return try await group.reduce(into: Set<[UInt8]>()) { $0.insert($1) }
        }
        #expect(signed.count == 1)
        #expect(try await test.vault.grants.find(first.grant).generation == 2)
    }

    @Test func `nothing is prepared for who would be refused, or did not ask`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let other = try await Party(test.vault, "other", user: "bob")
        let first = try await party.begin()
        let token = try first.refreshToken
        #expect(try await test.vault.prepareExchange(request(other, token)) == nil)
        #expect(try await test.vault.prepareExchange(request(party, token), ifScopeContains: "openid") == nil)
        #expect(try await test.vault.prepareExchange(request(party, Secret(copying: "tv_rt_x"))) == nil)
        #expect(try await test.vault.prepareExchange(request(party, first.pair.accessToken)) == nil)
        let second = try #require(await party.refresh(token).issued)
        _ = try #require(await party.refresh(second.refreshToken).issued)
        #expect(try await test.vault.prepareExchange(request(party, token)) == nil)
        let (result, work) = try await test.vault.exchange(request(party, token), ifScopeContains: "basic") {
            _ in 1
        }
        #expect(result.refusal == .refreshTokenReused && work == nil)
        #expect(try await test.vault.prepareExchange(request(party, second.refreshToken)) == nil)
    }

    @Test func `prepared for one token, used with another: nothing of it is given`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let one = try await party.begin()
        let two = try await party.begin()
        let prepared = try #require(try await test.vault.prepareExchange(request(party, one.refreshToken)))
        let issued = try #require(
            await test.vault.exchange(request(party, two.refreshToken), prepared: prepared).issued)
        #expect(issued.grant == two.grant)
        #expect(issued.pair.accessToken.withExposed { $0 } != prepared.accessToken.withExposed { $0 })
        await #expect(throws: Self.lost) {
            try await test.vault.validate(prepared.accessToken)
        }
    }
}
