import TestSupport
import Testing
import TokenKeeper
import TokenVault
import TokenVaultTesting
import VaultCore

@Suite(.bounded) struct `RFC 9207 section 2.4, a provider that names its issuer in every callback` {
    private static let issuer = "https://provider.example"

    /// Its discovery document, as `provider add` reads it.
    private func bench(_ members: String) async throws -> KeeperBench {
        let bench = try await KeeperBench()
        let document = """
            {"issuer":"\(Self.issuer)","authorization_endpoint":"\(Self.issuer)/authorize",
            "token_endpoint":"\(Self.issuer)/token"\(members)}
            """
        let credentials = KeeperBench.options
        let new = NewProvider(
            "discovered", catalogue: "oidc", variables: ["issuer": Self.issuer],
            clientID: credentials.clientID,
            clientSecret: SecretBytes(copying: credentials.clientSecret))
        let transport = EditedTransport(base: ScriptedTransport(bench.server)) { _, _ in
            ProviderReply(status: 200, body: SecretBytes(copying: document))
        }
        try await bench.keeper.addProvider(try await new.discovered(over: transport))
        return bench
    }

    private func begin(_ bench: KeeperBench) async throws -> BegunConsent {
        try await bench.keeper.begin(
            ConsentRequest(
                provider: "discovered", user: bench.user.id, redirectURI: KeeperBench.redirectURI,
                session: bench.session))
    }

    private func complete(_ bench: KeeperBench, _ parameters: String) async throws -> Connection {
        let begun = try await begin(bench)
        let callback = try #require(ConsentCallback(query: "state=\(begun.state.shown)&" + parameters))
        return try await bench.keeper.complete(callback, session: bench.session)
    }

    @Test(arguments: [
        "code=c", "code=c&iss=", "error=access_denied", "code=c&iss=https%3A%2F%2Fprovider.example%2F",
        "code=c&iss=https%3A%2F%2Fevil.example%2F%3Ftoken%3Dabc",
    ])
    func `a callback without its issuer is refused before any code is sent`(_ parameters: String) async throws
    {
        let bench = try await bench(#","authorization_response_iss_parameter_supported":true"#)
        let error = await #expect(throws: KeeperError.self) { try await complete(bench, parameters) }
        #expect(error == KeeperError(.wrongIssuer, ""))
        #expect(error?.diagnostic.isEmpty == false)
        #expect(error?.diagnostic.contains("abc") == false)
        #expect(bench.server.requests(to: .token) == 0)
    }

    @Test func `where it is not promised, a callback without one is taken`() async throws {
        for members in ["", #","authorization_response_iss_parameter_supported":false"#] {
            let bench = try await bench(members)
            // The scripted server did not give the code: what matters is that it was sent.
            await #expect(throws: KeeperError(.refused, "")) { try await complete(bench, "code=c") }
            #expect(bench.server.requests(to: .token) == 1)
        }
    }

    @Test(arguments: [
        ("", true), (#","code_challenge_methods_supported":["plain","S256"]"#, true),
        (#","code_challenge_methods_supported":["plain"]"#, false),
        (#","code_challenge_methods_supported":[]"#, false),
    ])
    func `RFC 7636 section 4.2: S256 is sent unless the document names other methods alone`(
        _ members: String, _ isSent: Bool
    ) async throws {
        let bench = try await bench(members)
        #expect(try await begin(bench).url.contains("code_challenge_method=S256") == isSent)
        #expect(
            try await bench.keeper.configuredProvider("discovered").provider.requests.usesPKCE == isSent)
    }
}

@Suite(.bounded) struct `RFC 6749 section 4.1.2.1, the provider's words in a callback` {
    /// What is told of a callback with these parameters.
    private func told(_ parameters: String, scope: String? = nil) async throws -> KeeperError {
        let bench = try await KeeperBench()
        let begun = try await bench.begin(bench.keeper, scope: scope)
        let state = begun.state.shown
        let callback = try #require(
            ConsentCallback(query: "state=\(state)&" + parameters.replacing("STATE", with: state)))
        let error = await #expect(throws: KeeperError.self) {
            try await bench.keeper.complete(callback, session: bench.session)
        }
        let thrown = try #require(error)
        #expect(thrown.diagnostic.unicodeScalars.count <= 200)
        #expect(!thrown.diagnostic.contains(state))
        // The page is for the user, and anybody can write into a callback.
        #expect(!thrown.message.contains("scope"))
        return thrown
    }

    @Test func `reach the operator: the code, the description, and which scope`() async throws {
        let long = "https://www.provider.example/auth/calendar.readonly"
        let error = try await told(
            "error=invalid_scope&error_description=The+client+may+not+ask+for+%27\(long)%27.",
            scope: "a " + long)
        #expect(error == KeeperError(.refused, ""))
        #expect(error.diagnostic == "invalid_scope: The client may not ask for '\(long)'.")
    }

    @Test func `also where the user, or a rule of the user's organisation, said no`() async throws {
        let error = try await told("error=access_denied&error_description=AADSTS65004%3A+User+declined")
        #expect(error == KeeperError(.accessDenied, ""))
        #expect(error.diagnostic == "access_denied: AADSTS65004: User declined")
        #expect(try await told("error=access_denied").diagnostic == "access_denied")
    }

    @Test func `also under Facebook's names`() async throws {
        let error = try await told("error_code=1349045&error_message=App+not+active")
        #expect(error == KeeperError(.refused, ""))
        #expect(error.diagnostic == "1349045: App not active")
    }

    @Test(arguments: [
        "error=invalid_request&error_description=state+STATE+is+bad",
        "error=STATE", "error=invalid_request&error_description=%1B%5B2J%0D%0Aforged%E2%80%AE",
        "error=invalid_request&error_description=token+ya29.a0AfH6SMBx8Lq0123456789abcdefghij",
        "error=invalid_request&code=a-code-of-12345&error_description=a-code-of-12345",
        "error=" + String(repeating: "long ", count: 900), "error=%07",
    ])
    func `are bounded, and show no secret and nothing that steers a terminal`(_ parameters: String)
        async throws
    {
        let words = try await told(parameters).diagnostic
        #expect(!words.isEmpty)
        #expect(!words.contains("ya29") && !words.contains("a-code-of"))
        #expect(words.unicodeScalars.allSatisfy { $0.value >= 0x20 && $0.value != 0x202E })
    }
}

@Suite(.bounded) struct `RFC 6749 section 3.3, the scope that a user left` {
    @Test(
        arguments: [
            ("scope=read", "read"), ("scope=read%2Cwrite", "read write"), ("scope=read+write", "read write"),
            ("scope=", "read write"), ("x=y", "read write"), ("scope=%07", "read write"),
        ])
    func `is the callback's where the reply does not tell`(_ parameters: String, _ scope: String) async throws
    {
        let bench = try await KeeperBench()
        bench.server.configure { $0.tellsScope = false }
        let begun = try await bench.begin(bench.keeper)
        let query = String(begun.url.split(separator: "?")[1])
        let answer = bench.server.handle(
            ScriptedRequest("GET", ScriptedEndpoint.authorize.path, query: query))
        let location = try #require(answer.header("location"))
        let returned = location.drop { $0 != "?" }.dropFirst()
        let callback = try #require(ConsentCallback(query: returned + "&" + parameters))
        let connection = try await bench.keeper.complete(callback, session: bench.session)
        #expect(connection.scope == scope)
        #expect(try await bench.ready(connection.id).scope == scope)
    }

    @Test func `is the reply's where it tells`() async throws {
        let bench = try await KeeperBench()
        bench.server.configure { $0.grantableScope = ["read"] }
        #expect(try await bench.connect().scope == "read")
    }
}

@Suite(.bounded) struct `RFC 6749 section 3.1, a callback whose parameters are repeated` {
    @Test func `what is the provider's own costs nothing, and none of its values is taken`() async throws {
        let bench = try await KeeperBench()
        let begun = try await bench.begin(bench.keeper)
        let asked = begun.url.split(separator: "?", maxSplits: 1).last.map(String.init) ?? ""
        let answer = bench.server.handle(
            ScriptedRequest("GET", ScriptedEndpoint.authorize.path, query: asked))
        let query = try #require(answer.header("location")).drop { $0 != "?" }.dropFirst()
        let callback = try #require(ConsentCallback(query: "ctx=1&\(query)&ctx=2&ctx=3"))
        let connection = try await bench.keeper.complete(callback, session: bench.session)
        #expect(connection.state == .live)
        #expect(connection.metadata == [:])
    }

    @Test(arguments: [
        "state", "code", "iss", "error", "error_code", "error_description", "scope", "scopes",
        "granted_scopes",
    ])
    func `what decides about the consent is refused, whatever its values`(_ name: String) {
        for values in [("a", "b"), ("a", "a"), ("", "a")] {
            #expect(ConsentCallback(query: "x=1&\(name)=\(values.0)&\(name)=\(values.1)") == nil)
        }
    }

    @Test func `what the entry wants kept is refused before any code is sent`() async throws {
        let bench = try await KeeperBench(
            KeeperBench.standardEntry + "\nrequests:\n  callback: [realmId]\n")
        let begun = try await bench.begin(bench.keeper)
        let callback = try #require(
            ConsentCallback(query: "state=\(begun.state.shown)&code=c&realmId=1&realmId=2"))
        await #expect(throws: KeeperError(.unknownCallback, "")) {
            try await bench.keeper.complete(callback, session: bench.session)
        }
        #expect(bench.server.requests(to: .token) == 0)
    }
}
