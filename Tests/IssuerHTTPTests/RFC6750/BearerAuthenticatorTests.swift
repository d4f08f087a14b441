import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore
import VaultCrypto

/// RFC 6750: a host's own routes, behind ``BearerAuthenticator``.
@Suite(.bounded) struct `RFC 6750, bearer tokens at a host's routes` {
    @Test func `a valid token lets the request through, and the handler reads what it stands for`()
        async throws
    {
        try await TestServer.run { server in
            let app = try await server.client(scope: "basic readmeasurements writemeasurements")
            let tokens = try await server.tokens(app, scope: "writemeasurements basic")
            try await TestHost.run(server) { host in
                for path in ["/plain", "/scoped"] {
                    let reply = try await host.get(path, bearer: tokens.accessToken)
                    #expect(reply.status == 200)
                    #expect(reply.text == "writemeasurements basic")
                }
                let spelled = try await host.send(
                    "GET", "/plain", ["authorization: bEARER   \(tokens.accessToken ?? "")"])
                #expect(spelled.status == 200)
            }
        }
    }

    @Test func `without credentials there is a challenge, and no word more`() async throws {
        try await TestServer.run { server in
            let token = try await server.tokens(try await server.client()).accessToken ?? ""
            try await TestHost.run(server) { host in
                let headers = [
                    [], ["Authorization: Basic YTpi"], ["Authorization: \(token)"], ["Authorization:"],
                    ["Authorization: DPoP \(token)"], ["X-Authorization: Bearer \(token)"],
                ]
                for header in headers {
                    let reply = try await host.send("GET", "/plain", header)
                    #expect(reply.status == 401, "\(header)")
                    #expect(reply.header("www-authenticate") == #"Bearer realm="tokenvault""#)
                    #expect(reply.body.isEmpty)
                    #expect(reply.header("cache-control") == "no-store")
                }
                // Where the query form is off, a token there is none.
                for path in ["/plain", "/header"] {
                    #expect(try await host.send("GET", "\(path)?access_token=\(token)").status == 401)
                }
            }
        }
    }

    @Test func `a token that is not valid is told so, whatever is wrong with it`() async throws {
        try await TestServer.run { server in
            let app = try await server.client { $0.lifetimes.accessToken = .seconds(60) }
            let expired = try await server.tokens(app)
            server.clock.advance(by: .seconds(60))
            let revoked = try await server.tokens(app)
            _ = try await server.revoke(revoked.refreshToken, app)
            let good = try await server.tokens(app)
            let bad = [
                expired.accessToken, revoked.accessToken, good.refreshToken, "x", "tv_at_", "%00",
                (good.accessToken ?? "") + "A", String(repeating: "a", count: 8000),
            ]
            try await TestHost.run(server) { host in
                for token in bad {
                    let reply = try await host.get("/scoped", bearer: token)
                    #expect(reply.status == 401)
                    #expect(reply.error == "invalid_token")
                    let challenge = try #require(reply.header("www-authenticate"))
                    #expect(
                        challenge.hasPrefix(#"Bearer realm="a", error="invalid_token", error_description=""#))
                }
            }
        }
    }

    @Test func `less scope than the route asks for is refused with what it asks for`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken
            try await TestHost.run(server) { host in
                let reply = try await host.get("/scoped", bearer: token)
                #expect(reply.status == 403)
                #expect(reply.error == "insufficient_scope")
                let challenge = try #require(reply.header("www-authenticate"))
                #expect(challenge.contains(#"error="insufficient_scope""#))
                #expect(challenge.hasSuffix(#"scope="basic writemeasurements""#))
            }
        }
    }

    @Test func `two tokens, or one in two ways, are refused without looking at either`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken ?? ""
            let header = "Authorization: Bearer \(token)"
            try await TestHost.run(server) { host in
                let requests: [(String, [String])] = [
                    ("/plain", [header, header]), ("/plain?access_token=\(token)", [header]),
                    ("/plain?access%5ftoken=\(token)", [header]), ("/query?access_token=", [header]),
                    ("/query?access_token=\(token)&access_token=\(token)", []),
                    ("/query?access_token=\(token)&access_token=x", []), ("/query?access_token=%zz", []),
                    ("/plain", ["Authorization: Bearer"]),
                    ("/plain", ["Authorization: Bearer \(token) \(token)"]),
                    ("/plain", ["Authorization: Bearer \(token), Bearer \(token)"]),
                ]
                for (path, headers) in requests {
                    let reply = try await host.send("GET", path, headers)
                    #expect(reply.status == 400, "\(path.prefix(30))")
                    #expect(reply.error == "invalid_request")
                    #expect(reply.header("www-authenticate")?.contains(#"error="invalid_request""#) == true)
                }
            }
        }
    }

    @Test func `the query form works where it is switched on, and its answers are private`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken ?? ""
            try await TestHost.run(server) { host in
                let reply = try await host.send("GET", "/query?tag=a&tag=b&x=%zz&access_token=\(token)&")
                #expect(reply.status == 200)
                #expect(reply.header("cache-control") == "private")
                #expect(try await host.get("/query", bearer: token).header("cache-control") == nil)
                #expect(try await host.send("GET", "/query?accessToken=\(token)").status == 401)
                #expect(try await host.send("GET", "/query?access_token=x").error == "invalid_token")
            }
            #expect(!server.log.all.joined().contains(token))
        }
    }

    @Test func `in the seed API's profile the query form is on, in each of its spellings`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken ?? ""
            try await TestHost.run(server, profile: .quantimodo) { host in
                for name in ["access_token", "accessToken", "quantimodoAccessToken"] {
                    #expect(try await host.send("GET", "/plain?\(name)=\(token)").status == 200)
                    #expect(try await host.send("GET", "/header?\(name)=\(token)").status == 401)
                    let both = try await host.send(
                        "GET", "/plain?\(name)=\(token)", ["Authorization: Bearer \(token)"])
                    #expect(both.status == 400)
                }
                let twice = try await host.send("GET", "/plain?access_token=\(token)&accessToken=\(token)")
                #expect(twice.status == 400)
                #expect(try await host.get("/plain", bearer: token).status == 200)
            }
        }
    }

    @Test func `a revocation is seen at once, and the first check closes the retry window`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let first = try await server.tokens(app)
            let second = try await server.refresh(first.refreshToken, app)
            try await TestHost.run(server) { host async throws in
                #expect(try await host.get("/plain", bearer: second.accessToken).status == 200)
                server.clock.advance(by: .seconds(11))
                #expect(try await server.refresh(first.refreshToken, app).error == "invalid_grant")
                #expect(try await host.get("/plain", bearer: second.accessToken).error == "invalid_token")
            }
        }
    }

    @Test func `a revocation by another process is seen at once`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let tokens = try await server.tokens(app)
            let elsewhere = try await server.elsewhere()
            try await TestHost.run(server) { host in
                #expect(try await host.get("/plain", bearer: tokens.accessToken).status == 200)
                let grant = try #require(try await elsewhere.grants.list().first)
                try await elsewhere.grants.revoke(grant.id)
                #expect(try await host.get("/plain", bearer: tokens.accessToken).error == "invalid_token")
            }
            await elsewhere.close()
        }
    }

    @Test func `when storage does not answer the request is put off`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app).accessToken
            // Another door to the same file: this one is shut while its host still serves.
            let vault = try await server.elsewhere()
            try await TestHost.run(server, vault: vault) { host in
                #expect(try await host.get("/plain", bearer: token).status == 200)
                await vault.close()
                let reply = try await host.get("/plain", bearer: token)
                #expect(reply.status == 503)
                #expect(reply.error == "temporarily_unavailable")
                #expect(Int(reply.header("retry-after") ?? "") ?? 0 > 0)
                #expect(reply.header("www-authenticate") == nil)
            }
        }
    }
}
