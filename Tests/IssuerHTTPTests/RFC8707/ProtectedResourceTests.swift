import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 9728: from the address of a service to its issuer.
@Suite(.bounded) struct `RFC 9728, protected resource metadata` {
    private static let metadataURL = "https://host.example/.well-known/oauth-protected-resource/mcp"

    @Test func `the metadata are between host and path, and say whom to ask and what for`() async throws {
        try await TestServer.run { server in
            try await TestHost.run(server) { host in
                let reply = try await host.send(
                    "GET", "/.well-known/oauth-protected-resource/mcp",
                    ["Origin: https://inspector.example", "MCP-Protocol-Version: 2026-07-28"])
                #expect(reply.status == 200)
                #expect(reply.header("content-type") == "application/json")
                #expect(reply.header("access-control-allow-origin") == "*")
                #expect(
                    reply.json.keys.sorted() == [
                        "authorization_servers", "bearer_methods_supported", "resource", "resource_name",
                        "scopes_supported",
                    ])
                #expect(reply.member("resource") == TestHost.resource)
                #expect(reply.json["authorization_servers"] as? [String] == [server.issuer])
                #expect(reply.json["scopes_supported"] as? [String] == ["basic", "more"])
                #expect(reply.member("resource_name") == #"A "host""#)
                let preflight = try await host.send(
                    "OPTIONS", "/.well-known/oauth-protected-resource/mcp",
                    [
                        "Origin: https://inspector.example", "Access-Control-Request-Method: GET",
                        "Access-Control-Request-Headers: mcp-protocol-version",
                    ])
                #expect(preflight.status == 204)
                #expect(
                    preflight.header("access-control-allow-headers")?.contains("MCP-Protocol-Version")
                        == true)
                #expect(
                    try await host.send("POST", "/.well-known/oauth-protected-resource/mcp").status == 405)
            }
        }
    }

    @Test func `every challenge leads there, and names the scope to step up to`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            @Sendable func token(_ scope: String) async throws -> String? {
                try await server.post(
                    ["grant_type": "client_credentials", "scope": scope, "resource": TestHost.resource],
                    authorization: app.basic
                ).accessToken
            }
            try await TestHost.run(server) { host in
                let pointer = #"resource_metadata="\#(Self.metadataURL)", scope="basic""#
                let bare = try await host.get("/named", bearer: nil)
                #expect(bare.status == 401 && bare.body.isEmpty)
                #expect(bare.header("www-authenticate") == #"Bearer realm="tokenvault", "# + pointer)
                let unknown = try await host.get("/named", bearer: "x")
                #expect(unknown.status == 401)
                #expect(unknown.header("www-authenticate")?.hasSuffix(pointer) == true)
                #expect(unknown.header("www-authenticate")?.contains(#"error="invalid_token""#) == true)
                let less = try await host.get("/named", bearer: try await token("readmeasurements"))
                #expect(less.status == 403 && less.error == "insufficient_scope")
                #expect(less.header("www-authenticate")?.hasSuffix(pointer) == true)
                // The client asks again with what was named.
                let more = try await host.get("/named", bearer: try await token("readmeasurements basic"))
                #expect(more.status == 200)
            }
        }
    }

    @Test(arguments: [
        ("https://a.example", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example/", "https://a.example/.well-known/oauth-protected-resource"),
        ("https://a.example:8443/x/y", "https://a.example:8443/.well-known/oauth-protected-resource/x/y"),
        ("http://127.0.0.1:9000/mcp", "http://127.0.0.1:9000/.well-known/oauth-protected-resource/mcp"),
        ("http://[::1]/mcp/", "http://[::1]/.well-known/oauth-protected-resource/mcp"),
    ])
    func `where they are`(_ url: String, _ metadata: String) async throws {
        let issuer = TokenIssuer(vault: try await Vault.temporary(), issuer: "https://id.example")
        #expect(try ProtectedResource(url, of: issuer).metadataURL == metadata)
    }

    @Test(arguments: [
        "http://a.example/mcp", "https://a.example/mcp?x=1", "https://a.example/#x", "mcp", "urn:a:b",
        "https://u@a.example/mcp", "https://a.example/:id", "https://a.example/a*", "https://a.example/\"",
    ])
    func `what is no address of a service is refused`(_ url: String) async throws {
        let issuer = TokenIssuer(vault: try await Vault.temporary(), issuer: "https://id.example")
        #expect(throws: VaultError(.invalidInput, "")) { try ProtectedResource(url, of: issuer) }
    }
}
