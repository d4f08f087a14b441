import Foundation
import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultCore

/// RFC 8414 and OpenID Connect Discovery: what an issuer says of itself, which is what it serves.
@Suite(.bounded) struct `RFC 8414, metadata of the issuer` {
    private static let oauth = "/.well-known/oauth-authorization-server"
    private static let openID = "/.well-known/openid-configuration"

    @Test func `the issuer is the one configured, byte for byte, and the endpoints are below it`()
        async throws
    {
        for issuer in ["https://id.example", "https://ID.example:443", "https://id.example/"] {
            try await TestServer.run(configure: { configuration, _ in configuration.issuer = issuer }) {
                server in
                let reply = try await server.send("GET", Self.oauth)
                #expect(reply.status == 200)
                #expect(reply.header("content-type") == "application/json")
                #expect(reply.header("cache-control") == "public, max-age=300")
                #expect(reply.header("pragma") == nil)
                #expect(reply.member("issuer") == issuer)
                let base = issuer.hasSuffix("/") ? String(issuer.dropLast()) : issuer
                #expect(reply.member("token_endpoint") == base + "/oauth2/token")
                #expect(try await server.send("HEAD", Self.oauth).status == 200)
            }
        }
    }

    @Test func `on loopback without a name the issuer is the address served`() async throws {
        try await TestServer.run { server in
            let reply = try await server.send("GET", Self.oauth)
            #expect(reply.member("issuer") == "http://127.0.0.1:\(server.port)")
        }
    }

    @Test func `every endpoint that it names answers, and each that it does not name is off`() async throws {
        try await TestServer.runOpenID { server in
            let metadata = try await server.send("GET", Self.oauth)
            let base = "http://127.0.0.1:\(server.port)"
            let named = metadata.json.filter { $0.key.hasSuffix("_endpoint") || $0.key == "jwks_uri" }
            let names = ["authorization", "end_session", "introspection", "revocation", "token", "userinfo"]
            #expect(Set(named.keys) == Set(names.map { $0 + "_endpoint" } + ["jwks_uri"]))
            #expect(metadata.json["authorization_response_iss_parameter_supported"] as? Bool == true)
            for (name, value) in named {
                let url = try #require(value as? String)
                #expect(url.hasPrefix(base), "\(name)")
                let reply = try await server.send("GET", String(url.dropFirst(base.count)))
                #expect(reply.status != 404, "\(name)")
            }
        }
        try await TestServer.run { server in
            let metadata = try await server.send("GET", Self.oauth).json
            for name in [
                "userinfo_endpoint", "end_session_endpoint", "jwks_uri",
                "id_token_signing_alg_values_supported",
            ] {
                #expect(metadata[name] == nil, "\(name)")
            }
            #expect((metadata["scopes_supported"] as? [String])?.contains("openid") == false)
        }
    }

    @Test func `it lists the grants, the authentication methods and the challenge method that work`()
        async throws
    {
        try await TestServer.run { server in
            let metadata = try await server.send("GET", Self.oauth).json
            let grants = try #require(metadata["grant_types_supported"] as? [String])
            #expect(Set(grants).subtracting(["implicit"]) == Set(GrantType.allCases.map(\.rawValue)))
            #expect(metadata["code_challenge_methods_supported"] as? [String] == ["S256"])
            #expect(
                metadata["refresh_token_rotation_policies_supported"] as? [String]
                    == ["strict", "until-first-use", "stale-tolerant"])
            let all = ["client_secret_basic", "client_secret_post", "none"]
            #expect(metadata["token_endpoint_auth_methods_supported"] as? [String] == all)
            #expect(metadata["revocation_endpoint_auth_methods_supported"] as? [String] == all)
            #expect(
                metadata["introspection_endpoint_auth_methods_supported"] as? [String]
                    == Array(all.dropLast()))
            #expect(metadata["token_endpoint_auth_signing_alg_values_supported"] == nil)
        }
        try await TestServer.run(configure: { configuration, _ in configuration.assertions = NoAssertions() })
        {
            server in
            let metadata = try await server.send("GET", Self.oauth).json
            for endpoint in ["token", "revocation", "introspection"] {
                let methods = metadata["\(endpoint)_endpoint_auth_methods_supported"] as? [String]
                #expect(methods?.contains("private_key_jwt") == true)
                let algorithms = metadata["\(endpoint)_endpoint_auth_signing_alg_values_supported"]
                #expect(algorithms as? [String] == ["ES999"])
            }
        }
    }

    @Test
    func
        `oidcc-discovery-endpoint-verification: OpenID Connect is described under both names, in the same words`()
        async throws
    {
        try await TestServer.runOpenID(claims: ClaimSource(["email", "sub"]) { _, _ in [:] }) { server in
            let reply = try await server.send("GET", Self.openID)
            #expect(reply.body == (try await server.send("GET", Self.oauth)).body)
            let metadata = reply.json
            #expect(metadata["subject_types_supported"] as? [String] == ["public"])
            #expect(metadata["id_token_signing_alg_values_supported"] as? [String] == ["RS256", "EdDSA"])
            #expect((metadata["scopes_supported"] as? [String])?.contains("openid") == true)
            #expect(metadata["request_uri_parameter_supported"] as? Bool == false)
            let claims = try #require(metadata["claims_supported"] as? [String])
            #expect(claims.contains("email"))
            #expect(claims.count { $0 == "sub" } == 1)
            let keys = try await server.send("GET", "/oauth2/jwks")
            #expect(keys.text == FixedKeys.keySet)
            #expect(keys.header("cache-control") == "public, max-age=300")
        }
    }

    @Test func `an issuer with a path is found in every way the standards know`() async throws {
        try await TestServer.runOpenID(issuer: "https://example.com/tenants/a_1") { server in
            let paths = [
                Self.oauth, Self.oauth + "/tenants/a_1", "/tenants/a_1" + Self.oauth,
                Self.openID, Self.openID + "/tenants/a_1", "/tenants/a_1" + Self.openID,
            ]
            for path in paths {
                let reply = try await server.send("GET", path)
                #expect(reply.status == 200, "\(path)")
                #expect(reply.member("token_endpoint") == "https://example.com/tenants/a_1/oauth2/token")
            }
            let app = try await server.client()
            for path in ["/oauth2/token", "/tenants/a_1/oauth2/token"] {
                let reply = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic, path: path)
                #expect(reply.status == 200, "\(path)")
            }
        }
    }

    @Test func `a path that a router would not take literally is left to the proxy`() async throws {
        for issuer in ["https://example.com/:id", "https://example.com/a*", "https://example.com/%7Bx%7D"] {
            try await TestServer.run(configure: { configuration, _ in configuration.issuer = issuer }) {
                server in
                let described = try await server.send("GET", Self.oauth)
                #expect(described.member("issuer") == issuer)
                let elsewhere = try await server.send("GET", "/x/oauth2/token")
                #expect(elsewhere.status == 404)
            }
        }
    }

    @Test func `metadata are read, not written`() async throws {
        try await TestServer.runOpenID { server async throws in
            for path in [Self.oauth, Self.openID, "/oauth2/jwks"] {
                for method in ["POST", "PUT", "DELETE"] {
                    let reply = try await server.send(method, path, ["Content-Length: 0"])
                    #expect(reply.status == 405, "\(method) \(path)")
                    #expect(reply.header("allow") == "GET, HEAD, OPTIONS")
                }
            }
        }
    }
}

/// Switches `private_key_jwt` on where a test sends none.
private struct NoAssertions: ClientAssertionVerifying {
    let algorithms = ["ES999"]

    func claimedClient(of assertion: SecretBytes) -> String? { nil }

    func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion { throw .malformed }
}
