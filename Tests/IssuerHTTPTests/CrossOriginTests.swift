import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault

/// RFC 9700 section 2.6: scripts of other origins may call the endpoints that clients call, and no other.
@Suite(.bounded) struct `RFC 9700 section 2.6, scripts of other origins` {
    private static let origin = "Origin: https://spa.example"
    private static let shared = [
        ("/oauth2/token", "POST"), ("/oauth2/revoke", "POST"), ("/oauth2/userinfo", "GET"),
        ("/oauth2/userinfo", "POST"), ("/oauth2/jwks", "GET"),
        ("/.well-known/oauth-authorization-server", "GET"), ("/.well-known/openid-configuration", "GET"),
    ]

    // Browser clients of MCP send `MCP-Protocol-Version` with every request.
    @Test func `a preflight is answered with every header that it asks for, without credentials`()
        async throws
    {
        try await TestServer.runOpenID { server in
            for (path, method) in Self.shared {
                let reply = try await server.send(
                    "OPTIONS", path,
                    [
                        Self.origin, "Access-Control-Request-Method: \(method)",
                        "Access-Control-Request-Headers: authorization,content-type,mcp-protocol-version",
                    ])
                #expect(reply.status == 204, "\(path)")
                #expect(reply.header("access-control-allow-origin") == "*", "\(path)")
                #expect(reply.header("access-control-allow-methods")?.contains(method) == true, "\(path)")
                // What is asked is not repeated: it is text from outside.
                #expect(
                    reply.header("access-control-allow-headers")
                        == "Authorization, Content-Type, MCP-Protocol-Version, *")
                #expect(reply.header("access-control-allow-credentials") == nil)
                #expect(reply.body.isEmpty)
            }
        }
    }

    @Test func `answers and refusals can be read`() async throws {
        try await TestServer.runOpenID { server in
            let app = try await server.client()
            let good = try await server.post(
                body: "grant_type=client_credentials", headers: ["Authorization: \(app.basic)", Self.origin])
            #expect(good.status == 200)
            let refused = try await server.post(body: "grant_type=x", headers: [Self.origin])
            let unauthorized = try await server.send("GET", "/oauth2/userinfo", [Self.origin])
            let metadata = try await server.send("GET", "/.well-known/openid-configuration", [Self.origin])
            for reply in [good, refused, unauthorized, metadata] {
                #expect(reply.header("access-control-allow-origin") == "*")
                #expect(reply.header("access-control-expose-headers")?.contains("WWW-Authenticate") == true)
            }
            // What caches keep is the same for every reader; the rest says nothing where nobody asked.
            let plain = try await server.send("GET", "/.well-known/openid-configuration")
            #expect(plain.header("access-control-allow-origin") == "*")
            let same = try await server.post(
                body: "grant_type=client_credentials", headers: ["Authorization: \(app.basic)"])
            #expect(same.header("access-control-allow-origin") == nil)
        }
    }

    @Test func `introspection, health and authorization are not for them`() async throws {
        try await TestServer.runOpenID(.quantimodo) { server in
            let paths = [
                "/oauth2/introspect", "/health/live", "/oauth2/authorize", "/api/v1/oauth2/authorize",
            ]
            for path in paths {
                for method in ["OPTIONS", "GET", "POST"] {
                    let reply = try await server.send(
                        method, path,
                        [Self.origin, "Access-Control-Request-Method: POST", "Content-Length: 0"])
                    #expect(
                        !reply.headers.contains { $0.name.hasPrefix("access-control") }, "\(method) \(path)")
                }
            }
        }
    }
}
