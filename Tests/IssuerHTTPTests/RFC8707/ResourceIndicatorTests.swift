import TestSupport
import Testing
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 8707: what a token is for.
@Suite(.bounded) struct `RFC 8707, resource indicators` {
    private static let resource = "https://mcp.example/mcp"
    private static let other = "https://other.example/mcp"

    /// A code that was asked for with `resource`.
    private func code(
        for resource: String?, _ app: Party, _ browser: Browser
    ) async throws -> String {
        let answer = try await browser.allow(app, ["resource": resource, "prompt": "consent"])
        return try #require(answer.answer["code"], "\(answer.text)")
    }

    private func redeem(
        _ code: String, for resource: String?, _ app: Party, _ server: TestServer
    ) async throws -> Reply {
        var body = "grant_type=authorization_code&code=\(code)&redirect_uri="
        body += TestServer.encode(Party.redirectURI)
        if let resource { body += "&resource=" + TestServer.encode(resource) }
        return try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
    }

    private func refresh(
        _ token: String?, for resource: String?, _ app: Party, _ server: TestServer
    ) async throws -> Reply {
        var body = "grant_type=refresh_token&refresh_token=\(try #require(token))"
        if let resource { body += "&resource=" + TestServer.encode(resource) }
        return try await server.post(body: body, headers: ["Authorization: \(app.basic)"])
    }

    private func audience(_ reply: Reply, _ app: Party, _ server: TestServer) async throws -> String? {
        let introspection = try await server.introspect(reply.accessToken, app)
        #expect(introspection.json["active"] as? Bool == true)
        return introspection.member("aud")
    }

    @Test func `every token of a grant is for what the authorization request named`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            for named in [nil, Self.resource] {
                let code = try await code(for: Self.resource, app, browser)
                var tokens = try await redeem(code, for: named, app, server)
                #expect(try await audience(tokens, app, server) == Self.resource)
                for refreshed in [nil, Self.resource, nil] {
                    tokens = try await refresh(tokens.refreshToken, for: refreshed, app, server)
                    #expect(try await audience(tokens, app, server) == Self.resource)
                }
            }
        }
    }

    @Test func `another resource is refused, and costs neither code nor token`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let code = try await code(for: Self.resource, app, browser)
            let refused = try await redeem(code, for: Self.other, app, server)
            #expect(refused.status == 400 && refused.error == "invalid_target")
            #expect(!refused.text.contains("other.example"))
            let tokens = try await redeem(code, for: nil, app, server)
            #expect(tokens.status == 200)
            #expect(
                try await refresh(tokens.refreshToken, for: Self.other, app, server).error
                    == "invalid_target")
            let next = try await refresh(tokens.refreshToken, for: Self.resource, app, server)
            #expect(next.status == 200)
            let entries = try await server.entries("token.refresh").map(\.reason)
            #expect(entries.contains("resource_mismatch"))
        }
    }

    @Test func `a grant for nothing in particular is narrowed once, and stays so`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let plain = try await server.tokens(app)
            #expect(try await audience(plain, app, server) == nil)
            let narrowed = try await refresh(plain.refreshToken, for: Self.resource, app, server)
            #expect(try await audience(narrowed, app, server) == Self.resource)
            // The token before is what it was.
            #expect(try await audience(plain, app, server) == nil)
            let other = try await refresh(narrowed.refreshToken, for: Self.other, app, server)
            #expect(other.error == "invalid_target")
            let next = try await refresh(narrowed.refreshToken, for: nil, app, server)
            #expect(try await audience(next, app, server) == Self.resource)
        }
    }

    @Test func `an old token that a policy accepts gets no tokens for another resource`() async throws {
        try await TestServer.run { server in
            let app = try await server.client {
                $0.rotation = .staleTolerant(generations: 3, cap: .seconds(86400))
            }
            let plain = try await server.tokens(app)
            let first = try await refresh(plain.refreshToken, for: Self.resource, app, server)
            server.clock.advance(by: .seconds(90))
            #expect(
                try await refresh(plain.refreshToken, for: Self.other, app, server).error == "invalid_target")
            let again = try await refresh(plain.refreshToken, for: Self.resource, app, server)
            #expect(again.accessToken == first.accessToken)
            server.clock.advance(by: .seconds(3600))
            #expect(
                try await refresh(plain.refreshToken, for: Self.other, app, server).error == "invalid_target")
            let next = try await refresh(plain.refreshToken, for: nil, app, server)
            #expect(try await audience(next, app, server) == Self.resource)
        }
    }

    @Test func `a refresh that is repeated for another resource does not get the tokens for the first`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let plain = try await server.tokens(app)
            let first = try await refresh(plain.refreshToken, for: Self.resource, app, server)
            #expect(
                try await refresh(plain.refreshToken, for: Self.other, app, server).error == "invalid_target")
            for again in [Self.resource, nil] {
                let reply = try await refresh(plain.refreshToken, for: again, app, server)
                #expect(reply.accessToken == first.accessToken)
            }
        }
    }

    @Test func `client credentials and the implicit flow have an audience too`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.responseTypes.append(.token) }
            let own = try await server.post(
                ["grant_type": "client_credentials", "resource": Self.resource], authorization: app.basic)
            #expect(try await audience(own, app, server) == Self.resource)
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(
                app, ["response_type": "token", "resource": Self.resource])
            let implicit = try await server.introspect(answer.answer["access_token"], app)
            #expect(implicit.member("aud") == Self.resource)
        }
    }

    @Test(arguments: [
        "mcp.example", "/mcp", "https://mcp.example/mcp#part", "https://", "https:", "https://a@mcp.example/",
        "https://mcp.example/a b", "https://mcp.example/\\", "1https://mcp.example", "https:///mcp",
        "https://mcp.example/" + String(repeating: "a", count: 512),
    ])
    func `a malformed resource is refused by every endpoint, and not repeated`(_ resource: String)
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let asked = try await browser.authorize(app, ["resource": resource])
            #expect(asked.answer["error"] == "invalid_target")
            #expect(asked.answer["state"] == "af0ifjsldkj")
            let tokens = try await server.tokens(app)
            let replies = [
                try await refresh(tokens.refreshToken, for: resource, app, server),
                try await server.post(
                    ["grant_type": "client_credentials", "resource": resource], authorization: app.basic),
            ]
            for reply in replies {
                #expect(reply.status == 400 && reply.error == "invalid_target")
                #expect(!reply.text.contains(resource))
            }
            #expect(try await refresh(tokens.refreshToken, for: nil, app, server).status == 200)
        }
    }

    @Test func `one resource a token: two are two parameters of one name`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let body = "grant_type=client_credentials&resource=https%3A%2F%2Fa.example"
            let reply = try await server.post(
                body: body + "&resource=https%3A%2F%2Fb.example", headers: ["Authorization: \(app.basic)"])
            #expect(reply.status == 400 && reply.error == "invalid_request")
            let empty = try await server.post(
                body: "grant_type=client_credentials&resource=", headers: ["Authorization: \(app.basic)"])
            #expect(empty.status == 200)
            #expect(try await audience(empty, app, server) == nil)
        }
    }

    @Test func `the consent page says what the access is for, escaped`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            let page = try await browser.authorize(app, ["resource": "https://mcp.example/?a='&b"])
            #expect(page.text.contains("https://mcp.example/?a=&#39;&amp;b"))
            #expect(!(try await browser.authorize(app)).text.contains("The access is for"))
        }
    }
}

/// The attack: a service that was given a token passes it on to another one.
@Suite(.bounded) struct `A token for one resource opens no other` {
    @Test func `a host that names itself takes tokens for itself alone`() async throws {
        try await TestServer.run { server in
            let app = try await server.client(scope: "basic writemeasurements")
            @Sendable func token(_ resource: String?) async throws -> String? {
                var body = "grant_type=client_credentials&scope=basic"
                if let resource { body += "&resource=" + TestServer.encode(resource) }
                return try await server.post(body: body, headers: ["Authorization: \(app.basic)"]).accessToken
            }
            try await TestHost.run(server) { host in
                for own in [
                    TestHost.resource, "HTTPS://HOST.example/mcp",
                ] {
                    #expect(try await host.get("/named", bearer: token(own)).status == 200)
                }
                let others = [
                    nil, "https://host.example", "https://host.example/mcp/", "https://host.example/MCP",
                    "https://host.example.evil.example/mcp", "https://host.example/mcp?x",
                    "https://host.example:443/mcp", "http://host.example/mcp", server.issuer,
                ]
                for other in others {
                    let reply = try await host.get("/named", bearer: token(other))
                    #expect(reply.status == 401 && reply.error == "invalid_token", "\(other ?? "none")")
                    #expect(!reply.text.contains("evil"))
                }
                // One that does not say what it is takes them all, as before.
                #expect(try await host.get("/plain", bearer: token("https://evil.example")).status == 200)
            }
        }
    }

    @Test(arguments: [
        ("https://a.example", "https://a.example/"), ("https://a.example", "HTTPS://A.Example"),
        ("https://a.example:8443/", "https://a.example:8443"), ("URN:x:y", "urn:x:y"),
    ])
    func `two spellings of one resource`(_ one: String, _ other: String) throws {
        let (one, other) = (try #require(ResourceIdentifier(one)), try #require(ResourceIdentifier(other)))
        #expect(one == other && Set([one, other]).count == 1)
    }

    @Test(arguments: [
        ("https://a.example", "https://a.example//"), ("https://a.example/x", "https://a.example/X"),
        ("https://a.example/x", "https://a.example/x/"), ("https://a.example", "http://a.example"),
        ("urn:x:y", "urn:x:Y"), ("https://a.example?x", "https://a.example/?x"),
    ])
    func `two resources`(_ one: String, _ other: String) throws {
        #expect(try #require(ResourceIdentifier(one)) != #require(ResourceIdentifier(other)))
    }
}
