import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

@Suite(.bounded) struct `A client that registered itself gets nothing its user did not see` {
    private static let resource = "https://mcp.example/mcp"

    /// The attack: a client whose user allowed it for one resource asks for another, and no page is shown.
    @Test func `a consent for one resource opens no other`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger(["redirect_uris": ["https://app.example/cb"]])
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await stranger.allow(browser, ["resource": Self.resource]).answer["code"] != nil)
            for resource in ["https://bank.example/mcp", Self.resource] {
                let page = try await stranger.authorize(browser, ["resource": resource])
                #expect(page.status == 200 && page.isPage && page.text.contains(resource))
                let silent = try await stranger.authorize(browser, ["resource": resource, "prompt": "none"])
                #expect(silent.header("location") == nil && silent.text.contains("consent_required"))
            }
            // For nothing in particular it is remembered.
            #expect(try await stranger.authorize(browser).answer["code"] != nil)
        }
    }

    /// The attack: a client that an operator narrowed asks again for what it had.
    @Test func `what an operator took from one client stays taken`() async throws {
        try await TestServer.runOpen { server in
            let (narrowed, other) = (try await server.stranger(), try await server.stranger())
            let browser = Browser(server)
            try await browser.haveSession()
            let wide = ["scope": "basic more"]
            for stranger in [narrowed, other] {
                let code = try await stranger.allow(browser, wide).answer["code"]
                #expect(try await stranger.redeem(code, server).member("scope") == "basic more")
            }
            _ = try await server.vault.clients.change(narrowed.id) {
                $0.scope = ScopeSet(parsing: "basic") ?? .empty
                $0.lifetimes.absolute = .seconds(86400)
            }
            for _ in 0..<2 {
                let code = try await narrowed.allow(browser, wide).answer["code"]
                #expect(try await narrowed.redeem(code, server).member("scope") == "basic")
            }
            #expect(try await narrowed.authorize(browser, ["scope": "more"]).text.contains("invalid_scope"))
            let kept = try await server.vault.clients.find(narrowed.id)
            #expect(kept.registration.scope.text == "basic")
            #expect(kept.registration.lifetimes.absolute == .seconds(86400))
            let code = try await other.allow(browser, wide).answer["code"]
            #expect(try await other.redeem(code, server).member("scope") == "basic more")
        }
    }

    /// The attack: a list as long as a body may be, whose repeats are looked for one by one.
    @Test(arguments: ["redirect_uris", "grant_types", "response_types"])
    func `a long list is refused by its length`(_ member: String) async throws {
        try await TestServer.runOpen { server in
            let values = (0..<9000).map(String.init)
            let reply = try await server.register([member: values])
            #expect(reply.status == 400 && reply.error == "invalid_client_metadata")
            #expect(
                reply.member("error_description")?.contains("\(member) must be a list of at most 32") == true)
        }
    }

    /// The attack: the page shows no resource, and the tokens are for one.
    @Test func `a resource that only a token request names is refused`() async throws {
        try await TestServer.runOpen { server in
            let stranger = try await server.stranger()
            let browser = Browser(server)
            try await browser.haveSession()
            let code = try await stranger.allow(browser).answer["code"]
            let refused = try await stranger.redeem(code, server, for: Self.resource)
            #expect(refused.status == 400 && refused.error == "invalid_target")
            let tokens = try await stranger.redeem(code, server)
            #expect(tokens.status == 200)
            let later = try await stranger.refresh(tokens.refreshToken, server, for: Self.resource)
            #expect(later.status == 400 && later.error == "invalid_target")
            #expect(try await stranger.refresh(tokens.refreshToken, server).status == 200)

            let named = try await stranger.allow(browser, ["resource": Self.resource]).answer["code"]
            let bound = try await stranger.redeem(named, server, for: Self.resource)
            #expect(bound.status == 200)
            #expect(try await stranger.refresh(bound.refreshToken, server, for: Self.resource).status == 200)
        }
    }

    /// The attack: the page shows a host that people read in one way, and browsers go to another.
    @Test(arguments: [
        "https://bank.example%2eevil.example/cb", "https://2130706433/cb", "https://127.0.0.1/cb",
        "https://0x7f.1/cb", "https://[::1]/cb", "https://localhost/cb", "https://BANK.example/cb",
        "HTTPS://bank.example/cb", "https:bank.example/cb", "https:/bank.example/cb",
        "https://bank.example./cb",
        "https://bank..example/cb", "https://-bank.example/cb", "https://bank_.example/cb",
        "https://bank.example:/cb", "https://bank.example:+80/cb", "https://bank.example:80:80/cb",
        "https://bank.example:65536/cb",
    ])
    func `an address with a host that may be read in two ways is refused`(_ uri: String) async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.register(["redirect_uris": ["https://app.example/cb", uri]])
            #expect(reply.status == 400 && reply.error == "invalid_redirect_uri", "\(reply.text)")
        }
    }

    @Test(arguments: [
        "https://app.example/cb", "https://app.example:8443/cb?a=b:c", "https://xn--bcher-kva.example/cb",
        "https://app.example", "https://app.example?a",
    ])
    func `a plain host is taken, with a port or without`(_ uri: String) async throws {
        try await TestServer.runOpen { server in
            let reply = try await server.register(["redirect_uris": [uri]])
            #expect(reply.status == 201, "\(reply.text)")
        }
    }
}

@Suite(.bounded) struct `The token that guards registration is not guessed` {
    private func registration(_ token: String) -> SelfRegistration {
        var registration = SelfRegistration(scope: ScopeSet(parsing: "basic"))
        registration.initialAccessToken = SecretBytes(copying: token)
        return registration
    }

    @Test func `guesses of one address wait, and a request without a token is no guess`() async throws {
        let token = "0123456789abcdef"
        try await TestServer.runOpen(registration(token)) { server in
            for _ in 0..<20 { #expect(try await server.register().status == 401) }
            for guess in 0..<10 {
                #expect(try await server.register(headers: ["Authorization: Bearer \(guess)"]).status == 401)
            }
            let right = ["Authorization: Bearer \(token)"]
            let early = try await server.register(headers: right)
            #expect(early.status == 429 && early.header("retry-after") == "1")
            server.clock.advance(by: .seconds(2))
            #expect(try await server.register(headers: right).status == 201)
        }
    }

    @Test func `one that is too short opens nothing`() async throws {
        try await TestServer.runOpen(registration("0123456789abcde")) { server in
            let reply = try await server.register(headers: ["Authorization: Bearer 0123456789abcde"])
            #expect(reply.status == 401 && reply.error == "invalid_token")
        }
    }
}

/// RFC 8252 section 8.6: any program on the device can listen at its own addresses, with or without TLS.
@Suite(.bounded) struct `https on the user's device proves no client` {
    @Test(arguments: [
        ("https://app.example/cb", true), ("https://10.1.2.3/cb", true),
        ("https://localhost/cb", false), ("https://LOCALHOST:8443/cb", false),
        ("https://localhost./cb", false),
        ("https://app.localhost/cb", false), ("https://127.0.0.1/cb", false),
        ("https://127.9.9.9:8443/cb", false),
        ("https://127.1/cb", false), ("https://2130706433/cb", false), ("https://[::1]/cb", false),
        ("https://[::1]:8443/cb", false), ("https://[::ffff:127.0.0.1]/cb", false),
    ])
    func `a consent is remembered only for an address elsewhere`(_ uri: String, _ isRemembered: Bool)
        async throws
    {
        try await TestServer.run { server in
            let party = try await server.client("phone", grants: [.authorizationCode]) {
                $0.authenticationMethods = [.none]
                $0.redirectURIs = [uri]
            }
            let app = Stranger(id: party.id, redirectURI: uri)
            let browser = Browser(server)
            try await browser.haveSession()
            #expect(try await app.allow(browser).answer["code"] != nil)
            let again = try await app.authorize(browser)
            #expect((again.answer["code"] != nil) == isRemembered && again.isPage != isRemembered)
        }
    }
}
