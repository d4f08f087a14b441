import TestSupport
import Testing
import TokenKeeper
import VaultCore

@Suite(.bounded) struct `Endpoints by discovery (RFC 8414)` {
    private static let issuer = "https://as.example.com/realms/x"

    private func read(_ members: String, issuer: String = Self.issuer, status: Int = 200) throws
        -> DiscoveryDocument
    {
        try DiscoveryDocument(
            ProviderReply(status: status, body: SecretBytes(copying: "{\(members)}")), issuer: issuer)
    }

    @Test func `are looked for in two places`() {
        #expect(
            DiscoveryDocument.requests(issuer: Self.issuer).map(\.url) == [
                "https://as.example.com/realms/x/.well-known/openid-configuration",
                "https://as.example.com/.well-known/oauth-authorization-server/realms/x",
            ])
        #expect(
            DiscoveryDocument.requests(issuer: "https://a.com/").map(\.url) == [
                "https://a.com/.well-known/openid-configuration",
                "https://a.com/.well-known/oauth-authorization-server",
            ])
    }

    @Test func `complete the generic entry`() throws {
        let document = try read(
            #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://as.example.com/t","#
                + #""authorization_endpoint":"https://as.example.com/a","revocation_endpoint":"https://as.example.com/r","#
                + #""device_authorization_endpoint":"https://as.example.com/d","jwks_uri":"https://as.example.com/k","#
                + #""code_challenge_methods_supported":["plain","S256"],"#
                + #""authorization_response_iss_parameter_supported":true,"#
                + #""token_endpoint_auth_methods_supported":["private_key_jwt","client_secret_post"]"#)
        #expect(document.takesS256 == true)
        #expect(document.endpoints.namesIssuerInCallbacks == true)
        let entry = try #require(ProviderCatalogue.provider("oidc")).filling(["issuer": Self.issuer])
        #expect(entry.isDiscovered)
        let provider = document.completing(entry)
        #expect(!provider.isDiscovered)
        #expect(provider.endpoints.token == "https://as.example.com/t")
        #expect(provider.endpoints.deviceAuthorization == "https://as.example.com/d")
        #expect(provider.endpoints.issuer == Self.issuer)
        #expect(provider.client == .post)
        #expect(provider.name == "oidc")
    }

    @Test func `leave what an entry names itself`() throws {
        let document = try read(
            #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://as.example.com/t""#)
        #expect(document.client == .basic)
        let provider = document.completing(.standard { $0.client = .none })
        #expect(provider.endpoints.token == "https://as.example.com/token")
        #expect(provider.client == .none)
        var discovered = try ProviderReader.read(
            "name: a\ntitle: A\nclient: post\nendpoints: {issuer: \"https://as.example.com/realms/x\"}",
            file: "a")
        discovered = document.completing(discovered)
        #expect(discovered.client == .post)
        #expect(discovered.endpoints.token == "https://as.example.com/t")
    }

    @Test(arguments: [
        "", #""token_endpoint":"https://a.com/t""#, #""issuer":"https://as.example.com/realms/x""#,
        #""issuer":"https://as.example.com/realms/x/","token_endpoint":"https://a.com/t""#,
        #""issuer":"https://AS.example.com/realms/x","token_endpoint":"https://a.com/t""#,
        #""issuer":"https://as.example.com/realms/x","issuer":"https://b","token_endpoint":"https://a.com/t""#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":"http://a.com/t""#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://u:p@a.com/t""#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":["https://a.com/t"]"#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://a.com/t","authorization_endpoint":"javascript:x""#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://a.com/t","token_endpoint_auth_methods_supported":["private_key_jwt"]"#,
        #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://a.com/t","code_challenge_methods_supported":"S256""#,
    ])
    func `are refused when the document is not this issuer's or not sound`(_ members: String) {
        #expect(throws: VaultError(.invalidInput, "")) { try read(members) }
    }

    @Test func `are refused with any status but 200`() {
        let good = #""issuer":"https://as.example.com/realms/x","token_endpoint":"https://a.com/t""#
        #expect(throws: Never.self) { try read(good) }
        for status in [201, 302, 404] {
            #expect(throws: VaultError(.invalidInput, "")) { try read(good, status: status) }
        }
    }

    @Test(arguments: [
        (TransportFailure.Cause.nameLookup, "the host name id.example has no address"), (.connect, "connect"),
    ])
    func `an issuer that does not answer is named where its name has no address`(
        _ cause: TransportFailure.Cause, _ reason: String
    ) async {
        let error = await #expect(throws: VaultError.self) {
            try await DiscoveryDocument.fetch("https://id.example/a", over: Failing(cause: cause))
        }
        #expect(error?.code == .unavailable && error?.message.contains(": \(reason).") == true)
    }
}

/// A network on which no request leaves.
private struct Failing: ProviderTransport {
    let cause: TransportFailure.Cause

    func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        throw .notSent(cause)
    }
}
