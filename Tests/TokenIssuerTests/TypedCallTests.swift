import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultAudit
import VaultCore

@Suite(.bounded) struct `A host asks for tokens in process` {
    @Test func `redeem, refresh, introspect, revoke take and give values`() async throws {
        let stage = try await Stage()
        let (issuer, app) = (stage.issuer, stage.credentials)
        let first = try await issuer.redeem(
            stage.code(), redirectURI: Stage.redirectURI, for: app)
        #expect(first.scope.text == "basic readmeasurements" && first.expiresIn == 3600)
        #expect(first.expiresAt == stage.clock.now().advanced(by: .seconds(3600)))
        #expect(first.idToken == nil)

        let second = try await issuer.refresh(
            try #require(first.refreshToken), scope: ScopeSet(parsing: "basic"), for: app)
        #expect(second.scope.text == "basic" && second.grant == first.grant)
        #expect(octets(second.accessToken) != octets(first.accessToken))

        let seen = try #require(try await issuer.introspect(second.accessToken, for: app))
        #expect(seen.isAccessToken && seen.scope.text == "basic" && seen.clientID == "app")
        #expect(seen.subject == stage.vault.users.subject(of: try await stage.vault.users.find("alice").id))
        #expect(seen.expiresAt == second.expiresAt && seen.issuedAt == stage.clock.now())
        let refreshToken = try #require(second.refreshToken)
        #expect(try await issuer.introspect(refreshToken, for: app)?.isAccessToken == false)
        // Requests that are under way with the access token before go on.
        #expect(try await issuer.introspect(first.accessToken, for: app)?.scope == first.scope)

        try await issuer.revoke(second.accessToken, for: app)
        #expect(try await issuer.introspect(second.accessToken, for: app) == nil)
        #expect(try await issuer.introspect(refreshToken, for: app) == nil)
        let error = try await refusal { _ = try await issuer.refresh(refreshToken, for: app) }
        #expect(error == .invalidGrant)
        #expect(try await stage.vault.log.verify().isIntact)
    }

    @Test func `a client gets a token for itself`() async throws {
        let stage = try await Stage()
        let all = try await stage.issuer.issue(for: stage.credentials)
        #expect(all.scope.text == "basic readmeasurements" && all.refreshToken == nil)
        #expect(try await stage.issuer.introspect(all.accessToken, for: stage.credentials)?.subject == "app")
        let less = try await stage.issuer.issue(
            scope: ScopeSet(parsing: "basic"), for: .authenticated(stage.client))
        #expect(less.scope.text == "basic")
        let error = try await refusal {
            _ = try await stage.issuer.issue(scope: ScopeSet(parsing: "admin"), for: stage.credentials)
        }
        #expect(error == .invalidScope)
    }

    @Test func `a refresh that is repeated brings the same pair, a token that comes late ends the grant`()
        async throws
    {
        let stage = try await Stage()
        let first = try #require(try await stage.redeemed().refreshToken)
        let second = try await stage.issuer.refresh(first, for: stage.credentials)
        let again = try await stage.issuer.refresh(first, for: stage.credentials)
        #expect(octets(again.accessToken) == octets(second.accessToken))
        let next = try #require(second.refreshToken)
        let third = try await stage.issuer.refresh(next, for: stage.credentials)
        let stolen = try await refusal { _ = try await stage.issuer.refresh(first, for: stage.credentials) }
        #expect(stolen == .invalidGrant)
        #expect(try await stage.issuer.validate(third.accessToken) == nil)
    }

    @Test func `the log names the door and the request that the host says`() async throws {
        let stage = try await Stage()
        let tokens = try await stage.redeemed()
        #expect(try await stage.lastEntries(1).map(\.channel) == ["library"])
        _ = try await stage.issuer.refresh(
            try #require(tokens.refreshToken), for: stage.credentials,
            from: RequestOrigin(.http, requestID: "r-7"))
        let entry = try #require(try await stage.lastEntries(1).first)
        #expect(entry.operation == "token.refresh" && entry.channel == "http" && entry.requestID == "r-7")
    }
}

@Suite(.bounded) struct `In process no check is left out` {
    /// The example of RFC 7636 appendix B.
    private static let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
    private static let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    @Test func `a code is bound to its redirect URI, its verifier and its client, and good once`()
        async throws
    {
        let stage = try await Stage()
        let other = try await Stage.addClient("other", to: stage.vault)
        let verifier = SecretBytes(copying: Self.verifier)
        func redeem(
            _ code: SecretBytes, _ redirectURI: String?, _ verifier: SecretBytes?,
            _ client: ClientCredentials? = nil
        ) async throws -> OAuthError.Code? {
            try await refusal {
                _ = try await stage.issuer.redeem(
                    code, redirectURI: redirectURI, codeVerifier: verifier, for: client ?? stage.credentials)
            }
        }
        let code = try await stage.code(challenge: Self.challenge)
        #expect(try await redeem(code, Stage.redirectURI, nil) == .invalidGrant)
        #expect(try await redeem(code, nil, verifier) == .invalidGrant)
        #expect(try await redeem(code, "https://evil.example", verifier) == .invalidGrant)
        let wrong = SecretBytes(copying: String(Self.verifier.reversed()))
        #expect(try await redeem(code, Stage.redirectURI, wrong) == .invalidGrant)
        let thief = ClientCredentials.authenticated(other.client)
        #expect(try await redeem(code, Stage.redirectURI, verifier, thief) == .invalidGrant)
        #expect(try await redeem(code, Stage.redirectURI, verifier) == nil)
        #expect(try await redeem(code, Stage.redirectURI, verifier) == .invalidGrant)
    }

    @Test func `a stolen token can be neither refreshed nor seen nor revoked by another client`() async throws
    {
        let stage = try await Stage()
        let thief = ClientCredentials.authenticated(
            try await Stage.addClient("thief", to: stage.vault).client)
        let tokens = try await stage.redeemed()
        let refreshToken = try #require(tokens.refreshToken)
        let error = try await refusal { _ = try await stage.issuer.refresh(refreshToken, for: thief) }
        #expect(error == .invalidGrant)
        #expect(try await stage.issuer.introspect(tokens.accessToken, for: thief) == nil)
        #expect(try await stage.issuer.introspect(refreshToken, for: thief) == nil)
        try await stage.issuer.revoke(refreshToken, for: thief)
        try await stage.issuer.revoke(tokens.accessToken, for: thief)
        #expect(try await stage.issuer.validate(tokens.accessToken) != nil)
        let resource = try await Stage.addClient("api", to: stage.vault) { $0.mayIntrospect = true }
        let reader = ClientCredentials.authenticated(resource.client)
        #expect(try await stage.issuer.introspect(tokens.accessToken, for: reader)?.clientID == "app")
        #expect(try await stage.issuer.introspect(refreshToken, for: reader) == nil)
    }

    @Test func `wrong, foreign and missing credentials are refused`() async throws {
        let stage = try await Stage { $0.authenticationMethods = [.basic] }
        let other = try await Stage.addClient("other", to: stage.vault)
        let token = try #require(try await stage.redeemed().refreshToken)
        let cases: [ClientCredentials] = [
            .secret(other.secret, clientID: "app"), .secret(SecretBytes([]), clientID: "app"),
            .secret(stage.secret, clientID: "unknown"),
            .secret(stage.secret, clientID: "app", method: .post),
            .secret(stage.secret, clientID: "app", method: ClientAuthenticationMethod.none),
            .publicClient(clientID: "app"), .assertion(stage.secret, clientID: "app"), .absent,
        ]
        for (number, credentials) in cases.enumerated() {
            let refreshed = try await refusal { _ = try await stage.issuer.refresh(token, for: credentials) }
            let revoked = try await refusal { try await stage.issuer.revoke(token, for: credentials) }
            let seen = try await refusal { _ = try await stage.issuer.introspect(token, for: credentials) }
            #expect(
                [refreshed, revoked, seen] == [.invalidClient, .invalidClient, .invalidClient], "\(number)")
        }
        #expect(try await stage.issuer.refresh(token, for: stage.credentials).refreshToken != nil)
    }

    @Test func `a client that the host knows is looked up again each time`() async throws {
        let stage = try await Stage()
        let known = ClientCredentials.authenticated(stage.client)
        var token = try #require(try await stage.redeemed().refreshToken)
        token = try #require(try await stage.issuer.refresh(token, for: known).refreshToken)
        try await stage.vault.clients.disable("app")
        #expect(try await refusal { _ = try await stage.issuer.refresh(token, for: known) } == .invalidClient)
        try await stage.vault.clients.enable("app")
        try await stage.vault.clients.remove("app")
        #expect(try await refusal { _ = try await stage.issuer.refresh(token, for: known) } == .invalidClient)
        // Another client under the same name is not the one that the host met.
        _ = try await Stage.addClient("app", to: stage.vault)
        #expect(try await refusal { _ = try await stage.issuer.issue(for: known) } == .invalidClient)
        #expect(try await refusal { try await stage.issuer.revoke(token, for: known) } == .invalidClient)
    }

    @Test func `a client gets only what it is registered for`() async throws {
        let stage = try await Stage { $0.grantTypes = [.authorizationCode] }
        let tokens = try await stage.redeemed()
        #expect(tokens.refreshToken == nil)
        let refreshed = try await refusal {
            _ = try await stage.issuer.refresh(tokens.accessToken, for: stage.credentials)
        }
        let issued = try await refusal { _ = try await stage.issuer.issue(for: stage.credentials) }
        #expect(refreshed == .unauthorizedClient && issued == .unauthorizedClient)
        let more = try await Stage()
        let token = try #require(
            try await more.issuer.redeem(
                more.code(scope: "basic"), redirectURI: Stage.redirectURI, for: more.credentials
            ).refreshToken)
        let wider = try await refusal {
            _ = try await more.issuer.refresh(
                token, scope: ScopeSet(parsing: "basic readmeasurements"), for: more.credentials)
        }
        #expect(wider == .invalidScope)
    }

    @Test func `a public client is only as good as its code, and introspects nothing`() async throws {
        let stage = try await Stage {
            $0.authenticationMethods = [.none]
            $0.grantTypes = [.authorizationCode, .refreshToken]
        }
        let phone = ClientCredentials.publicClient(clientID: "app")
        let code = try await stage.code(challenge: Self.challenge)
        let tokens = try await stage.issuer.redeem(
            code, redirectURI: Stage.redirectURI, codeVerifier: SecretBytes(copying: Self.verifier),
            for: phone)
        #expect(tokens.refreshToken != nil)
        let error = try await refusal {
            _ = try await stage.issuer.introspect(tokens.accessToken, for: phone)
        }
        #expect(error == .invalidClient)
    }

    @Test func `guesses from one address are slowed down where the host says the address`() async throws {
        let stage = try await Stage()
        let token = try #require(try await stage.redeemed().refreshToken)
        let wrong = ClientCredentials.secret(SecretBytes(copying: "guess"), clientID: "app")
        var errors: [OAuthError.Code?] = []
        for _ in 0..<12 {
            errors.append(
                try await refusal {
                    _ = try await stage.issuer.refresh(
                        token, for: wrong, from: RequestOrigin(.http, address: "203.0.113.7"))
                })
        }
        #expect(errors.first == .invalidClient && errors.last == .temporarilyUnavailable)
        // The client itself is not locked out.
        let origin = RequestOrigin(.http, address: "203.0.113.8")
        #expect(try await stage.issuer.refresh(token, for: stage.credentials, from: origin).expiresIn == 3600)
    }

    @Test func `no value prints its secrets`() async throws {
        let stage = try await Stage()
        let tokens = try await stage.redeemed()
        let shown = "\(tokens) \(String(reflecting: tokens)) \(stage.credentials)"
        for secret in [tokens.accessToken, try #require(tokens.refreshToken), stage.secret] {
            #expect(!shown.contains(String(decoding: octets(secret), as: UTF8.self)))
        }
    }
}
