import Testing
import TokenKeeper
import TokenVault
import VaultCore

@Suite struct `The catalogue` {
    @Test func `has an entry for every name, which is the name of its file`() throws {
        #expect(ProviderCatalogue.names.count == 33)
        #expect(ProviderCatalogue.names == ProviderCatalogue.names.sorted())
        for name in ProviderCatalogue.names {
            let text = try #require(ProviderCatalogue.text(name))
            let provider = try ProviderReader.read(text, file: name + ".yaml")
            #expect(provider == ProviderCatalogue.provider(name))
            #expect(provider.name == name)
        }
        #expect(ProviderCatalogue.provider("nobody") == nil)
    }

    @Test(arguments: ProviderCatalogue.names)
    func `an entry says when its facts were read, or that nobody read them`(_ name: String) throws {
        let provider = try #require(ProviderCatalogue.provider(name))
        let text = try #require(ProviderCatalogue.text(name))
        #expect(provider.isVerified != text.contains("# Unverified"))
        #expect(!provider.sources.isEmpty || text.contains("# Unverified: everything."))
        #expect(provider.sources.allSatisfy { ["2026-11-24", "2026-11-29"].contains($0.day) })
    }

    @Test(arguments: ProviderCatalogue.names)
    func `an entry writes every request that a client of it needs`(_ name: String) throws {
        let values = ["subdomain": "acme", "shop": "acme", "issuer": "https://as.example.com"]
        let entry = try #require(ProviderCatalogue.provider(name))
        let provider = try entry.filling(values.filter { entry.variables.contains($0.key) })
        #expect(provider.variables.isEmpty)
        guard !provider.isDiscovered else { return }
        let dialect = ProviderDialect.of(provider)
        let url = try dialect.authorizationURL(
            state: SecretBytes(copying: "st"), redirectURI: "https://app.example.com/cb", scope: "a b",
            codeChallenge: "ch", nonce: nil)
        #expect(url.contains("&state=st"))
        #expect(EndpointURL.fault(of: url) == nil)
        let exchange = dialect.codeExchange(
            code: SecretBytes(copying: "c"), redirectURI: "https://app.example.com/cb", verifier: nil)
        #expect(EndpointURL.fault(of: exchange.url) == nil)
        let refresh = dialect.refresh(
            refreshToken: SecretBytes(copying: "r"), accessToken: SecretBytes(copying: "a"), scope: nil)
        #expect((refresh == nil) == (provider.refresh.method == .none))
    }

    @Test(
        arguments: [
            (
                "google", "POST https://oauth2.googleapis.com/token",
                "grant_type=refresh_token&refresh_token=r&client_id=client%201&client_secret=sec"
            ),
            (
                "quantimodo", "POST https://app.quantimo.do/api/oauth2/token",
                #"{"grant_type":"refresh_token","refresh_token":"r","client_id":"client 1","client_secret":"sec"}"#
            ),
            (
                "quantimodo-v2", "POST https://app.quantimo.do/api/v2/oauth/access_token",
                "grant_type=refresh_token&refresh_token=r&client_id=client%201&client_secret=sec"
            ),
            (
                "quantimodo-v3",
                "GET https://app.quantimo.do/api/v3/oauth2/token?grant_type=refresh_token&refresh_token=r"
                    + "&clientId=client%201&client_secret=sec", nil
            ),
            (
                "fitbit", "POST https://api.fitbit.com/oauth2/token",
                "grant_type=refresh_token&refresh_token=r"
            ),
            (
                "notion", "POST https://api.notion.com/v1/oauth/token",
                #"{"grant_type":"refresh_token","refresh_token":"r"}"#
            ),
            (
                "withings", "POST https://wbsapi.withings.net/v2/oauth2",
                "grant_type=refresh_token&refresh_token=r&client_id=client%201&client_secret=sec&action=requesttoken"
            ),
            (
                "zendesk", "POST https://acme.zendesk.com/oauth/tokens",
                "grant_type=refresh_token&refresh_token=r&client_id=client%201&client_secret=sec&expires_in=172800"
            ),
            (
                "facebook",
                "GET https://graph.facebook.com/oauth/access_token?grant_type=fb_exchange_token"
                    + "&fb_exchange_token=a&client_id=client%201&client_secret=sec", nil
            ),
        ] as [(String, String, String?)])
    func `a refresh as the provider wants it`(_ name: String, _ target: String, _ body: String?) throws {
        var provider = try #require(ProviderCatalogue.provider(name))
        if name == "zendesk" { provider = try provider.filling(["subdomain": "acme"]) }
        let request = ProviderDialect.of(provider, secret: "sec").refresh(
            refreshToken: SecretBytes(copying: "r"), accessToken: SecretBytes(copying: "a"), scope: nil)
        let lines = try #require(request).lines
        #expect(lines.first == target)
        if let body { #expect(lines.last == body) } else { #expect(!lines.contains("")) }
        #expect(
            lines.contains { $0.hasPrefix("Authorization: Basic ") } == ["fitbit", "notion"].contains(name))
    }

    @Test(arguments: [
        (
            "shopify",
            "code=c&redirect_uri=https%3A%2F%2Fa.example&client_id=client%201&client_secret=sec&expiring=1"
        ),
        (
            "zendesk",
            "code=c&redirect_uri=https%3A%2F%2Fa.example&code_verifier=v&client_id=client%201&client_secret=sec&expires_in=172800"
        ),
        (
            "withings",
            "code=c&redirect_uri=https%3A%2F%2Fa.example&client_id=client%201&client_secret=sec&action=requesttoken"
        ),
        ("xero", "code=c&redirect_uri=https%3A%2F%2Fa.example&code_verifier=v"),
        ("strava", "code=c&redirect_uri=https%3A%2F%2Fa.example&client_id=client%201&client_secret=sec"),
    ])
    func `an exchange as the provider wants it`(_ name: String, _ body: String) throws {
        let provider = try #require(ProviderCatalogue.provider(name))
        let request = ProviderDialect.of(provider, secret: "sec").codeExchange(
            code: SecretBytes(copying: "c"), redirectURI: "https://a.example",
            verifier: SecretBytes(copying: "v"))
        #expect(request.lines.last == "grant_type=authorization_code&" + body)
    }

    @Test func `consent as the provider wants it`() throws {
        func url(_ name: String, _ values: [String: String] = [:]) throws -> String {
            let provider = try #require(ProviderCatalogue.provider(name)).filling(values)
            return try ProviderDialect.of(provider).authorizationURL(
                state: SecretBytes(copying: "st"), redirectURI: "https://a.example", scope: "a b",
                codeChallenge: "ch", nonce: nil)
        }
        #expect(
            try url("google")
                == "https://accounts.google.com/o/oauth2/v2/auth?response_type=code&client_id=client%201"
                + "&redirect_uri=https%3A%2F%2Fa.example&scope=a%20b&state=st&code_challenge=ch"
                + "&code_challenge_method=S256&access_type=offline&prompt=consent")
        #expect(
            try url("slack-user")
                == "https://slack.com/oauth/v2/authorize?response_type=code&client_id=client%201"
                + "&redirect_uri=https%3A%2F%2Fa.example&user_scope=a%2Cb&state=st")
        #expect(
            try url("quantimodo-v3").hasPrefix(
                "https://app.quantimo.do/api/v3/oauth2/authorize?response_type=code&clientId=client%201"))
        #expect(
            try url("microsoft").hasPrefix("https://login.microsoftonline.com/common/oauth2/v2.0/authorize?"))
        #expect(
            try url("shopify", ["shop": "acme"]).hasPrefix(
                "https://acme.myshopify.com/admin/oauth/authorize?"))
    }

    @Test func `says what a second use of a refresh token does`() throws {
        func replay(_ name: String) throws -> Provider.ReplayPolicy {
            try #require(ProviderCatalogue.provider(name)).refresh.replay
        }
        #expect(try replay("google") == .tolerated)
        #expect(try replay("microsoft") == .tolerated)
        #expect(try replay("xero") == .within(.seconds(1800)))
        #expect(try replay("atlassian") == .within(.seconds(600)))
        #expect(try replay("fitbit") == .within(.seconds(120)))
        #expect(try replay("gitlab") == .untilFirstUse(nil))
        #expect(try replay("shopify") == .untilFirstUse(.seconds(30 * 86400)))
        #expect(try replay("withings") == .untilFirstUse(.seconds(8 * 3600)))
        #expect(try replay("notion") == .revokes)
        for stable in ["hubspot", "zoho", "salesforce"] {
            #expect(try replay(stable) == .tolerated)
            #expect(try #require(ProviderCatalogue.provider(stable)).refresh.rotates == false)
        }
        for strict in ["quantimodo", "github-app", "box", "slack"] {
            #expect(try replay(strict) == .rejected)
        }
    }
}

@Suite struct `Variables of endpoints` {
    @Test(arguments: [
        ("shopify", "shop", "acme", true), ("shopify", "shop", "acme-2", true),
        ("shopify", "shop", "acme.evil", false),
        ("shopify", "shop", "evil.com/", false), ("shopify", "shop", "evil.com?", false),
        ("shopify", "shop", "", false),
        ("shopify", "shop", "evil.com#", false), ("shopify", "shop", "a@b", false),
        ("shopify", "shop", "a:1", false),
        ("shopify", "shop", "a%2eb", false), ("shopify", "shop", "-a", false),
        ("shopify", "shop", "äcme", false),
        ("shopify", "shop", "a\r\nb", false), ("shopify", "shop", "{x}", false),
        ("gitlab", "host", "git.example.com", true), ("gitlab", "host", "git.example.com/x", false),
        ("gitlab", "host", "git..com", false), ("gitlab", "host", "user@git.com", false),
        ("gitlab", "host", "[::1]", false), ("gitlab", "host", "git_x.com", false),
        ("microsoft", "tenant", "9188040d-6c67-4c5b-b112-36a304b66dad", true),
        ("microsoft", "tenant", "acme.com", true),
        ("microsoft", "tenant", "..", false), ("microsoft", "tenant", "a/../b", false),
        ("microsoft", "tenant", "a?b", false),
        ("oidc", "issuer", "https://as.example.com/realms/x", true),
        ("oidc", "issuer", "http://as.example.com", false),
        ("oidc", "issuer", "http://127.0.0.1:8080", true), ("oidc", "issuer", "https://a.com/?x", false),
        ("oidc", "issuer", "https://a@b.com", false), ("oidc", "issuer", "as.example.com", false),
    ])
    func `take what fits their place`(_ name: String, _ variable: String, _ value: String, _ fits: Bool)
        throws
    {
        let provider = try #require(ProviderCatalogue.provider(name))
        #expect(provider.variables == [variable])
        let filled = try? provider.filling([variable: value])
        #expect((filled != nil) == fits)
        if let filled {
            #expect(filled.variables.isEmpty)
            #expect(
                [filled.endpoints.authorization, filled.endpoints.issuer].contains {
                    $0?.contains(value) == true
                })
        } else {
            #expect(throws: VaultError(.invalidInput, "")) { try provider.filling([variable: value]) }
        }
    }

    @Test func `are asked for, and no others are taken`() throws {
        let shopify = try #require(ProviderCatalogue.provider("shopify"))
        #expect(throws: VaultError(.invalidInput, "")) { try shopify.filling([:]) }
        #expect(throws: VaultError(.invalidInput, "")) { try shopify.filling(["shop": "a", "tenant": "b"]) }
        let zoho = try #require(ProviderCatalogue.provider("zoho")).filling([:])
        #expect(zoho.endpoints.token == "https://accounts.zoho.com/oauth/v2/token")
    }
}
