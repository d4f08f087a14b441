import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

@Suite(.bounded) struct `A scripted server and the keeper's dialect understand each other` {
    private let clock = StoppedClock()
    private let verifier = SecretBytes(copying: String(repeating: "v", count: 43))
    private let redirect = "https://app.example/cb"

    private func granted(
        _ dialect: ProviderDialect, _ transport: ScriptedTransport, _ request: ProviderRequest
    ) async throws -> NewTokens {
        let reply = try await transport.send(request)
        let reading = dialect.read(reply, to: request.purpose, at: clock.now, sent: [])
        guard case .granted(let tokens) = reading else {
            throw Misunderstanding(text: "\(dialect.provider.name) \(request.purpose): \(reading)")
        }
        return tokens
    }

    private struct Misunderstanding: Error { let text: String }

    @Test(arguments: ProviderCatalogue.names)
    func `every entry of the catalogue: consent, exchange, refresh, replay`(_ name: String)
        async throws
    {
        let original = try #require(ProviderCatalogue.provider(name))
        var options = ScriptedOptions(original)
        if original.client == .none { options.clientSecret = "" }
        let server = ScriptedProvider(original, options: options, seed: 3, now: { [clock] in clock.now })
        let entry = server.entry(at: "http://scripted.test")
        let secret = SecretBytes(copying: options.clientSecret)
        let dialect = ProviderDialect(entry, .init(clientID: options.clientID, clientSecret: secret))
        let transport = ScriptedTransport(server)

        let url = try dialect.authorizationURL(
            state: SecretBytes(copying: "st"), redirectURI: redirect, scope: "a b",
            codeChallenge: PKCE.challengeS256(of: verifier), nonce: nil)
        let query = url.split(separator: "?", maxSplits: 1).last.map(String.init) ?? ""
        let back = server.handle(ScriptedRequest("GET", "/authorize", query: query))
        let match = try #require(
            back.header("location")?.firstMatch(of: /code=(code_[\w-]+)/), "\(back.text)")

        let exchange = dialect.codeExchange(
            code: SecretBytes(copying: match.1), redirectURI: redirect,
            verifier: entry.requests.usesPKCE ? verifier : nil)
        let first = try await granted(dialect, transport, exchange)
        #expect(first.scope == nil || first.scope?.contains("a b") == true)
        let family = try #require(server.families.first)
        #expect(first.accessToken.withExposed { $0 } == Array(family.accessToken.utf8))
        #expect(
            first.refreshToken.map { $0.withExposed { String(decoding: $0, as: UTF8.self) } }
                == family.refreshToken
                || entry.refresh.method == .accessToken)

        let request = dialect.refresh(
            refreshToken: first.refreshToken, accessToken: first.accessToken, scope: nil)
        #expect((request == nil) == (entry.refresh.method == .none))
        guard let request else { return }
        let second = try await granted(dialect, transport, request)
        #expect(
            server.isLive(accessToken: second.accessToken.withExposed { String(decoding: $0, as: UTF8.self) })
        )
        #expect(second.accessExpiresAt == options.accessLifetime.map { clock.now.advanced(by: $0) })
        #expect(
            (second.refreshToken != nil) == (entry.refresh.rotates && entry.refresh.method == .refreshToken))

        guard entry.refresh.rotates else { return }
        let replay = try await transport.send(request)
        switch (entry.refresh.replay, dialect.read(replay, to: .refresh, at: clock.now, sent: [])) {
        case (.rejected, .refused), (.revokes, .refused), (.tolerated, .granted), (.within, .granted),
            (.untilFirstUse, .granted):
            #expect(server.families[0].isRevoked == (entry.refresh.replay == .revokes))
        case (let policy, let reading): Issue.record("\(name): \(policy) gave \(reading)")
        }
    }
}
