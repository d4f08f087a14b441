import TestSupport
import Testing
import TokenRotation
import TokenIssuer
import TokenVault
import VaultAudit
import VaultCore

@Suite(.bounded) struct `What a client may register` {
    private static let keySet = #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","kid":"a"}]}"#

    private func registration(_ change: (inout ClientRegistration) -> Void) -> ClientRegistration {
        var registration = ClientRegistration(name: "app")
        registration.redirectURIs = ["https://app.example/callback"]
        change(&registration)
        return registration
    }

    @Test func `everything is kept, and reads back after opening again`() async throws {
        let test = try await TestVault()
        let registration = registration {
            $0.authenticationMethods = [.privateKeyJWT]
            $0.keySet = Self.keySet
            $0.responseTypes = [.code, .idToken]
            $0.idTokenAlgorithm = .edDSA
            $0.mayIntrospect = true
            $0.postLogoutRedirectURIs = ["https://app.example/bye"]
        }
        let new = try await test.vault.clients.add(registration)
        #expect(new.secret == nil)
        await test.vault.close()
        let again = try await test.reopen()
        #expect(try await again.clients.find(new.client.id).registration == registration)
        await #expect(throws: VaultError(.denied, "")) {
            try await again.clients.rotateSecret(of: "app", overlap: .zero)
        }
        await again.close()
    }

    @Test func `http leads out of this machine to hosts that are named alone, without implicit types`()
        async throws
    {
        let test = try await TestVault()
        let inner: @Sendable (inout ClientRegistration) -> Void = {
            $0.redirectURIs = ["http://app.test:3000/cb"]
            $0.insecureHosts = ["App.TEST"]
        }
        let added = try await test.vault.clients.add(registration(inner)).client.registration
        #expect(added.insecureHosts == ["app.test"])
        for (uri, hosts) in [
            ("http://app.test/cb", []), ("http://app.test/cb", ["test"]),
            ("http://x.app.test/cb", ["app.test"]),
            ("http://app.test.evil.example/cb", ["app.test"]),
            ("http://app.test@evil.example/", ["app.test"]),
            ("ws://app.test/", ["app.test"]), ("http:///cb", [""]), ("https://a.example/", ["a b"]),
        ] {
            await #expect(throws: VaultError(.invalidInput, ""), "\(uri)") {
                try await test.vault.clients.add(
                    registration {
                        $0.name = "other"
                        $0.redirectURIs = [uri]
                        $0.insecureHosts = hosts
                    })
            }
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            _ = try await test.vault.clients.change("app") { $0.responseTypes = [.token] }
        }
    }

    @Test func `a value that repeats in a list is there once`() async throws {
        let test = try await TestVault()
        let repeated: @Sendable (inout ClientRegistration) -> Void = {
            $0.authenticationMethods = [.none, .none]
            $0.grantTypes = [.refreshToken, .authorizationCode, .refreshToken]
            $0.responseTypes = [.code, .code]
            $0.redirectURIs += $0.redirectURIs
        }
        let new = try await test.vault.clients.add(registration(repeated))
        let changed = try await test.vault.clients.change("app", repeated)
        for client in [new.client, changed.client] {
            #expect(client.registration.isPublic)
            #expect(client.registration.grantTypes == [.refreshToken, .authorizationCode])
            #expect(client.registration.responseTypes == [.code])
            #expect(client.registration.redirectURIs == ["https://app.example/callback"])
        }
    }

    @Test func `a client with keys and a secret gets its secret`() async throws {
        let test = try await TestVault()
        let new = try await test.vault.clients.add(
            registration {
                $0.authenticationMethods = [.privateKeyJWT, .basic]
                $0.keySet = Self.keySet
            })
        #expect(new.secret != nil)
    }

    @Test(arguments: [
        nil, "", "{}", #"{"keys":[]}"#, #"{"keys":"a"}"#, #"[{"kty":"RSA"}]"#, "keys",
        #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"AAAA","d":"AAAA"}]}"#,
        #"{"keys":[{"kty":"oct","k":"AAAA"}]}"#,
        #"{"keys":[{"n":""# + String(repeating: "A", count: 16 * 1024) + #""}]}"#,
    ])
    func `private_key_jwt needs a set of public keys`(_ keySet: String?) async throws {
        let test = try await TestVault()
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(
                registration {
                    $0.authenticationMethods = [.privateKeyJWT]
                    $0.keySet = keySet
                })
        }
    }

    @Test func `a key set without private_key_jwt, implicit types without an address: refused`() async throws
    {
        let test = try await TestVault()
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(registration { $0.keySet = Self.keySet })
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(
                registration {
                    $0.grantTypes = [.clientCredentials]
                    $0.redirectURIs = []
                    $0.responseTypes = [.token]
                })
        }
        _ = try await test.vault.clients.add(
            registration {
                $0.grantTypes = []
                $0.responseTypes = [.idTokenToken]
            })
    }

    @Test func `it can be changed: name, identifier, secret and grants stay`() async throws {
        let test = try await TestVault()
        let party = try await Party(test.vault)
        let tokens = try await party.begin()
        let changed = try await test.vault.clients.change("app") {
            $0.redirectURIs.append("https://app.example/second")
        }
        #expect(changed.secret == nil && changed.client.clientID == party.client.clientID)
        #expect(
            try await test.vault.clients.find("app").registration.redirectURIs.last
                == "https://app.example/second")
        #expect(try await party.refresh(tokens.refreshToken).issued != nil)
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.change("app") { $0.name = "other" }
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.change("app") { $0.redirectURIs = [] }
        }
        #expect(try await test.vault.clients.find("app").registration == changed.client.registration)
        #expect(try await test.vault.log.verify().isIntact)
    }

    @Test func `secrets come and go with the methods that use them`() async throws {
        let test = try await TestVault()
        let open = registration { $0.authenticationMethods = [.none] }
        #expect(try await test.vault.clients.add(open).secret == nil)
        let changed = try await test.vault.clients.change("app") { $0.authenticationMethods = [.basic] }
        let secret = try #require(changed.secret)
        #expect(
            test.vault.judge(secret, of: try await test.vault.clients.find("app"))
                == .accepted(generation: 1, isNewest: true))
        #expect(try await test.vault.clients.change("app") { $0.scope = .empty }.secret == nil)
        _ = try await test.vault.clients.change("app") { $0.authenticationMethods = [.none] }
        let again = try await test.vault.clients.change("app") { $0.authenticationMethods = [.basic] }
        #expect(again.secret != nil)
        #expect(test.vault.judge(secret, of: again.client) != .accepted(generation: 1, isNewest: true))
    }

    @Test func `no client passes for a user`() async throws {
        let test = try await TestVault()
        let user = try await test.vault.users.add("alice")
        let subject = test.vault.users.subject(of: user.id)
        #expect(subject.hasPrefix("u_") && subject.utf8.count == 24)
        #expect(subject == test.vault.users.subject(of: user.id))
        #expect(subject != test.vault.users.subject(of: OwnerID(user.id.rawValue + 1)))
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(registration { _ in }, clientID: subject)
        }
        #expect(try await test.vault.users.find(user.id).name == "alice")
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.users.find(OwnerID(99)) }
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.users.find(.system) }
        try await test.vault.users.remove("alice")
        await #expect(throws: VaultError(.notFound, "")) { try await test.vault.users.find(user.id) }
    }
}

@Suite(.bounded) struct `RFC 8252 section 7.3: a loopback address is accepted with any port` {
    private func client(_ uris: String...) -> ClientRegistration {
        var registration = ClientRegistration(name: "app")
        registration.redirectURIs = uris
        return registration
    }

    @Test(arguments: [
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
        ("http://[::1]/cb", "http://[::1]:1/cb"), ("http://127.0.0.1", "http://127.0.0.1:65535"),
        ("http://127.0.0.1/cb?a=b", "http://127.0.0.1:5000/cb?a=b"),
    ])
    func `any port`(_ registered: String, _ asked: String) {
        #expect(client("https://a.example/", registered).accepts(redirectURI: asked))
    }

    @Test(arguments: [
        ("http://127.0.0.1/cb", "http://127.0.0.1:49152/cb2"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/CB"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1.evil.example/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:/cb"), ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:+1/cb"), ("http://127.0.0.1/cb", "http://[::1]:1/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"), ("http://127.0.0.1/cb", "http://127.0.0.1:1/cb#f"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/%63b"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1\\@e/cb"),
        ("http://localhost/cb", "http://localhost:1/cb"), ("http://127.0.0.1/cb", "HTTP://127.0.0.1:1/cb"),
        ("https://app.example/cb", "https://app.example:8443/cb"),
        ("https://app.example/cb", "https://app.example/cb/"),
        ("https://app.example/cb", "https://app.example/cb?x=1"),
        ("https://app.example/cb", "https://app.example/../cb"), ("http://127.0.0.1", "http://127.0.0.1:1?x"),
    ])
    func `nothing else moves`(_ registered: String, _ asked: String) {
        #expect(!client(registered).accepts(redirectURI: asked))
    }
}

@Suite(.bounded) struct `Redirect URIs of native apps are allowed client by client` {
    private func client(_ uri: String, isPublic: Bool = true) -> ClientRegistration {
        var registration = ClientRegistration(name: "app")
        registration.redirectURIs = [uri]
        if isPublic { registration.authenticationMethods = [.none] }
        return registration
    }

    @Test(arguments: [
        "cursor://anysphere.cursor-mcp/oauth/callback", "vscode://example.app/auth", "vscode-insiders:cb",
    ])
    func `a scheme without a dot, of a public client that was given it`(_ uri: String) async throws {
        let test = try await TestVault()
        var registration = client(uri)
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(registration)
        }
        registration.appSchemes = ["other"]
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(registration)
        }
        registration.allowNativeRedirects()
        let added = try await test.vault.clients.add(registration)
        #expect(try await test.vault.clients.find("app").registration == added.client.registration)
        #expect(added.client.registration.accepts(redirectURI: uri))
        #expect(!added.client.registration.accepts(redirectURI: uri + "/x"))
    }

    @Test(arguments: [
        "javascript", "data", "http", "https", "intent", "blob", "x", "1a", "a.b", "Cursor", "a b", "a:b", "",
        String(repeating: "a", count: 33),
    ])
    func `no scheme that runs or opens something else can be given`(_ scheme: String) async throws {
        let test = try await TestVault()
        var registration = client("https://app.example/cb")
        registration.appSchemes = [scheme]
        await #expect(throws: VaultError(.invalidInput, "")) {
            try await test.vault.clients.add(registration)
        }
        await #expect(throws: VaultError(.invalidInput, "")) {
            var registration = client("javascript:alert(1)")
            registration.allowNativeRedirects()
            _ = try await test.vault.clients.add(registration)
        }
    }

    @Test func `a client with a secret, which need not use PKCE, has none of it`() async throws {
        let test = try await TestVault()
        for uri in ["cursor://a/cb", "http://localhost/cb"] {
            var registration = client(uri, isPublic: false)
            registration.allowNativeRedirects()
            await #expect(throws: VaultError(.invalidInput, "")) {
                try await test.vault.clients.add(registration)
            }
        }
    }

    @Test(arguments: [
        ("http://localhost/cb", "http://localhost:1/cb"), ("http://localhost:8080/cb", "http://localhost/cb"),
        ("http://localhost", "http://localhost:65535"), ("http://127.0.0.1/cb", "http://localhost:7/cb"),
        ("http://[::1]:9/cb", "http://localhost/cb"),
    ])
    func `any port at localhost`(_ registered: String, _ asked: String) {
        var registration = client(registered)
        #expect(!registration.accepts(redirectURI: asked))
        registration.allowNativeRedirects()
        #expect(registration.acceptsAnyLocalhostPort)
        #expect(registration.accepts(redirectURI: asked))
    }

    @Test(arguments: [
        "http://localhost:1/cb2", "http://localhost.evil.example/cb", "http://localhost:1@evil.example/cb",
        "http://127.0.0.1:1/cb", "http://[::1]:1/cb", "https://localhost:1/cb", "http://LOCALHOST:1/cb",
        "http://localhost:0/cb", "http://localhost:65536/cb", "http://localhost:/cb",
        "http://localhost:1/cb#f",
        "http://localhost.:1/cb", "http://user@localhost:1/cb",
    ])
    func `and nothing else`(_ asked: String) {
        var registration = client("http://localhost/cb")
        registration.allowNativeRedirects()
        #expect(!registration.accepts(redirectURI: asked))
    }
}
