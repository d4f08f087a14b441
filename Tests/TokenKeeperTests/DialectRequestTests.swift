import Testing
import TokenKeeper
import TokenVault
import VaultCore

private let form = "Content-Type: application/x-www-form-urlencoded"
private let accept = "Accept: application/json"
/// `client+1` is written `client%201`: both decode to the same.
private let basic = "Authorization: Basic Y2xpZW50JTIwMTpzM2NyM3QlMkYlMkIlMjBvZiUyMG91cnM="

@Suite struct `Requests to a provider that keeps to the standards` {
    private let dialect = ProviderDialect.standard()

    @Test func `RFC 6749 section 4.1.3: a code is exchanged with its verifier, the client by Basic`() {
        let request = dialect.codeExchange(
            code: SecretBytes(copying: "c/1"), redirectURI: "https://app.example.com/cb",
            verifier: SecretBytes(copying: "v-1"))
        #expect(request.purpose == .codeExchange)
        #expect(
            request.lines == [
                "POST https://as.example.com/token", accept, basic, form, "",
                "grant_type=authorization_code&code=c%2F1&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb"
                    + "&code_verifier=v-1",
            ])
    }

    @Test func `RFC 6749 section 6: a refresh token is presented, with the scope if one is asked for`() throws
    {
        let request = try #require(
            dialect.refresh(
                refreshToken: SecretBytes(copying: "r1"), accessToken: SecretBytes(copying: "a1"),
                scope: "a b"))
        #expect(
            request.lines == [
                "POST https://as.example.com/token", accept, basic, form, "",
                "grant_type=refresh_token&refresh_token=r1&scope=a%20b",
            ])
        #expect(
            dialect.refresh(refreshToken: nil, accessToken: SecretBytes(copying: "a1"), scope: nil) == nil)
    }

    @Test func `RFC 6749 section 4.4.2: a client asks for itself`() {
        #expect(dialect.clientCredentials(scope: nil).lines.last == "grant_type=client_credentials")
    }

    @Test func `RFC 7009 section 2.1: a token is revoked with a hint`() throws {
        let request = try #require(dialect.revocation(SecretBytes(copying: "r1"), hint: .refreshToken))
        #expect(
            request.lines == [
                "POST https://as.example.com/revoke", accept, basic, form, "",
                "token=r1&token_type_hint=refresh_token",
            ])
        let without = ProviderDialect.standard { $0.endpoints.revocation = nil }
        #expect(without.revocation(SecretBytes(copying: "r1"), hint: .accessToken) == nil)
    }

    @Test func `RFC 8628 sections 3.1 and 3.4: the device flow`() throws {
        let begin = try #require(dialect.deviceAuthorization(scope: "a b"))
        #expect(begin.lines.first == "POST https://as.example.com/device")
        #expect(begin.lines.last == "client_id=client%201&scope=a%20b")
        #expect(
            dialect.deviceToken(deviceCode: SecretBytes(copying: "d1")).lines.last
                == "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d1")
        let without = ProviderDialect.standard { $0.endpoints.deviceAuthorization = nil }
        #expect(without.deviceAuthorization(scope: nil) == nil)
    }

    @Test func `RFC 6749 section 4.1.1 and RFC 7636 section 4.3: the consent URL`() throws {
        let url = try dialect.authorizationURL(
            state: SecretBytes(copying: "st-1"), redirectURI: "https://app.example.com/cb", scope: "a b",
            codeChallenge: "ch", nonce: "n1")
        #expect(
            url == "https://as.example.com/authorize?response_type=code&client_id=client%201"
                + "&redirect_uri=https%3A%2F%2Fapp.example.com%2Fcb&scope=a%20b&state=st-1"
                + "&code_challenge=ch&code_challenge_method=S256&nonce=n1")
    }

    @Test
    func
        `there is no consent URL without an endpoint, with variables left, or with a state that needs escapes`()
    {
        for (change, state) in [
            ({ $0.endpoints.authorization = nil }, "s"),
            ({ $0.endpoints.authorization = "https://{shop}.example.com/" }, "s"),
            ({ _ in }, "a b"), ({ _ in }, ""),
        ] as [((inout Provider) -> Void, String)] {
            #expect(throws: VaultError(.invalidInput, "")) {
                try ProviderDialect.standard(change).authorizationURL(
                    state: SecretBytes(copying: state), redirectURI: "https://a.example", scope: nil,
                    codeChallenge: nil, nonce: nil)
            }
        }
    }
}

@Suite struct `Requests to a provider that departs from the standards` {
    private func refresh(_ change: (inout Provider) -> Void, secret: String? = "sec") throws -> [String] {
        let dialect = ProviderDialect.of(.standard(change), secret: secret)
        let request = dialect.refresh(
            refreshToken: SecretBytes(copying: "r1"), accessToken: SecretBytes(copying: "a1"), scope: nil)
        return try #require(request).lines
    }

    @Test(
        arguments: [
            (.basic, "Basic Y2xpZW50JTIwMTpzZWM="), (.basicRaw, "Basic Y2xpZW50IDE6c2Vj"),
            (.basicSecretOnly, "Basic c2VjOg=="),
        ] as [(Provider.ClientAuthentication, String)])
    func `three ways of Basic`(_ client: Provider.ClientAuthentication, _ value: String) throws {
        let lines = try refresh { $0.client = client }
        #expect(lines.contains("Authorization: " + value))
        #expect(lines.last == "grant_type=refresh_token&refresh_token=r1")
    }

    @Test func `the secret in the body, or no secret at all`() throws {
        #expect(
            try refresh { $0.client = .post }.last
                == "grant_type=refresh_token&refresh_token=r1&client_id=client%201&client_secret=sec")
        for client in Provider.ClientAuthentication.allCases {
            let lines = try refresh({ $0.client = client }, secret: nil)
            #expect(lines.last == "grant_type=refresh_token&refresh_token=r1&client_id=client%201")
            #expect(!lines.contains { $0.hasPrefix("Authorization") })
        }
        #expect(try refresh { $0.client = .none }.last?.contains("sec") == false)
    }

    @Test func `JSON, a query with POST, a query with GET`() throws {
        let json = try refresh {
            $0.client = .post
            $0.requests.body = .json
        }
        #expect(json.contains("Content-Type: application/json"))
        #expect(
            json.last
                == #"{"grant_type":"refresh_token","refresh_token":"r1","client_id":"client 1","client_secret":"sec"}"#
        )
        let query = try refresh { $0.requests.body = .query }
        #expect(query.first == "POST https://as.example.com/token?grant_type=refresh_token&refresh_token=r1")
        #expect(!query.contains(""), "no body")
        let get = try refresh {
            $0.requests.method = .get
            $0.endpoints.token += "?v=1"
        }
        #expect(get.first == "GET https://as.example.com/token?v=1&grant_type=refresh_token&refresh_token=r1")
        #expect(!get.contains(""))
    }

    @Test func `JSON escapes what would end its strings`() {
        let dialect = ProviderDialect.standard { $0.requests.body = .json }
        let request = dialect.deviceToken(deviceCode: SecretBytes(copying: "a\"b\\c\nd"))
        #expect(request.lines.last?.hasSuffix(#""device_code":"a\"b\\c\u000Ad"}"#) == true)
    }

    @Test func `secrets are in the query, never in the URL that is shown`() throws {
        let dialect = ProviderDialect.standard {
            $0.requests.method = .get
            $0.client = .post
        }
        let request = try #require(
            dialect.refresh(
                refreshToken: SecretBytes(copying: "r1"), accessToken: SecretBytes(copying: "a1"), scope: nil)
        )
        #expect(request.url == "https://as.example.com/token")
        #expect(request.body == nil)
        #expect(!"\(request)".contains("r1"))
    }

    @Test func `parameters have other names, grant types other spellings (QuantiModo, Basecamp)`() throws {
        let lines = try refresh {
            $0.client = .post
            $0.requests.names = ["client_id": "clientId", "grant_type": "type"]
            $0.requests.grantTypes = ["refresh_token": "refresh"]
        }
        #expect(lines.last == "type=refresh&refresh_token=r1&clientId=client%201&client_secret=sec")
        let tikTok = ProviderDialect.standard {
            $0.client = .post
            $0.requests.names = ["client_id": "client_key", "code": "auth_code"]
        }
        let exchange = tikTok.codeExchange(
            code: SecretBytes(copying: "c"), redirectURI: "https://a.example", verifier: nil)
        #expect(exchange.lines.last?.contains("&auth_code=c&") == true)
        #expect(exchange.lines.last?.contains("&client_key=client%201&") == true)
    }

    @Test func `parameters are added, replaced and left out; headers too`() throws {
        let lines = try refresh {
            $0.requests.refresh = ["action": "requesttoken", "refresh_token": "fixed", "grant_type": ""]
            $0.requests.headers = ["accept": "text/plain", "X-Version": "1"]
        }
        #expect(lines.last == "refresh_token=fixed&action=requesttoken")
        #expect(lines.contains("accept: text/plain"))
        #expect(lines.contains("X-Version: 1"))
        #expect(!lines.contains(accept))
    }

    @Test func `a refresh has a URL of its own; the scope its own separator, and each name once`() throws {
        let dialect = ProviderDialect.standard {
            $0.endpoints.refresh = "https://as.example.com/refresh"
            $0.requests.scopeSeparator = ","
        }
        let request = try #require(
            dialect.refresh(
                refreshToken: SecretBytes(copying: "r1"), accessToken: SecretBytes(copying: "a1"),
                scope: "a  b\na"))
        #expect(request.url == "https://as.example.com/refresh")
        #expect(request.lines.last?.hasSuffix("&scope=a%2Cb") == true)
    }

    @Test
    func `an access token is exchanged for the next (Facebook, Instagram); or nothing can be refreshed`()
        throws
    {
        let lines = try refresh {
            $0.refresh.method = .accessToken
            $0.client = .post
            $0.requests.method = .get
            $0.requests.names = ["access_token": "fb_exchange_token"]
            $0.requests.grantTypes = ["access_token": "fb_exchange_token"]
        }
        #expect(
            lines.first
                == "GET https://as.example.com/token?grant_type=fb_exchange_token&fb_exchange_token=a1"
                + "&client_id=client%201&client_secret=sec")
        let none = ProviderDialect.standard { $0.refresh.method = .none }
        #expect(
            none.refresh(
                refreshToken: SecretBytes(copying: "r"), accessToken: SecretBytes(copying: "a"), scope: nil)
                == nil)
    }

    @Test func `without PKCE neither challenge nor verifier is sent`() throws {
        let dialect = ProviderDialect.standard { $0.requests.usesPKCE = false }
        let url = try dialect.authorizationURL(
            state: SecretBytes(copying: "s"), redirectURI: "https://a.example", scope: nil,
            codeChallenge: "ch",
            nonce: nil)
        #expect(!url.contains("challenge"))
        let request = dialect.codeExchange(
            code: SecretBytes(copying: "c"), redirectURI: "https://a.example",
            verifier: SecretBytes(copying: "v"))
        #expect(request.lines.last?.contains("verifier") == false)
    }

    @Test func `consent takes extra parameters and an endpoint with a query`() throws {
        let dialect = ProviderDialect.standard {
            $0.endpoints.authorization = "https://as.example.com/authorize?x=1"
            $0.requests.authorize = ["access_type": "offline", "response_type": "code id_token"]
        }
        let url = try dialect.authorizationURL(
            state: SecretBytes(copying: "s"), redirectURI: "https://a.example", scope: nil,
            codeChallenge: nil,
            nonce: nil)
        #expect(
            url.hasPrefix("https://as.example.com/authorize?x=1&response_type=code%20id_token&client_id="))
        #expect(url.hasSuffix("&state=s&access_type=offline"))
    }
}
