import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 6749 section 2.3.1: an endpoint that takes passwords is protected "against brute force attacks".
@Suite(.bounded) struct `Failed authentication is throttled` {
    private static let own: Form = ["grant_type": "client_credentials"]

    private func guess(
        _ server: TestServer, _ party: Party, times: Int, from address: String? = nil,
        path: String = "/oauth2/token"
    ) async throws -> Reply {
        var last: Reply?
        for _ in 0..<times {
            last = try await post(server, Party.basic(party.id, "wrong"), from: address, path)
        }
        return try #require(last)
    }

    private func post(
        _ server: TestServer, _ authorization: String, from address: String? = nil,
        _ path: String = "/oauth2/token"
    ) async throws -> Reply {
        try await server.post(
            body: "grant_type=client_credentials&token=x",
            headers: ["Authorization: \(authorization)"] + (address.map { ["X-Forwarded-For: \($0)"] } ?? []),
            path: path)
    }

    @Test func `after ten wrong secrets a further one waits, twice as long each time`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            #expect(try await guess(server, app, times: 10).status == 401)
            let throttled = try await guess(server, app, times: 1)
            #expect(throttled.status == 429)
            #expect(throttled.header("retry-after") == "1")
            #expect(throttled.error == "temporarily_unavailable")
            #expect(throttled.header("cache-control") == "no-store")
            server.clock.advance(by: .seconds(1))
            #expect(try await guess(server, app, times: 1).status == 401)
            #expect(try await guess(server, app, times: 1).header("retry-after") == "2")
            // A right one resets the count.
            #expect(try await post(server, app.basic).status == 200)
            #expect(try await guess(server, app, times: 10).status == 401)
            #expect(try await guess(server, app, times: 1).status == 429)
        }
    }

    @Test func `a stranger's wrong secrets, from the same address, never keep the client out`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let token = try await server.tokens(app)
            for path in ["/oauth2/token", "/oauth2/revoke", "/oauth2/introspect"] {
                #expect(try await guess(server, app, times: 40, path: path).status == 429)
                #expect(try await post(server, app.basic, path).status == 200, "\(path)")
            }
            _ = try await guess(server, app, times: 40)
            #expect(try await server.refresh(token.refreshToken, app).status == 200)
            // What was right once and is not any more is a wrong one.
            try await server.vault.clients.disable(app.id)
            _ = try await guess(server, app, times: 40)
            #expect(try await post(server, app.basic).status == 429)
        }
    }

    @Test func `nor do they keep out a client that signs assertions`() async throws {
        try await TestServer.run(configure: { configuration, _ in
            configuration.assertions = NamedAssertions()
        }) { server in
            let app = try await server.client {
                $0.authenticationMethods = [.privateKeyJWT]
                // RFC 8037 appendix A.2.
                $0.keySet =
                    #"{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}"#
            }
            func present(_ name: String) async throws -> Reply {
                try await server.post([
                    "grant_type": "client_credentials", "client_assertion": "\(app.id) \(name)",
                    "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                ])
            }
            for _ in 0..<10 { #expect(try await present("wrong").status == 401) }
            #expect(try await present("wrong").status == 429)
            #expect(try await present("right-1").status == 200)
            _ = try await guess(server, app, times: 40)
            #expect(try await present("right-2").status == 200)
            // One that comes again is a wrong one.
            #expect(try await present("right-2").status == 401)
        }
    }

    @Test func `other clients at the same address are not slowed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let phone = try await server.publicClient()
            #expect(try await guess(server, app, times: 40).status == 429)
            #expect(try await guess(server, other, times: 1).status == 401)
            let named = try await server.post([
                "grant_type": "refresh_token", "refresh_token": "x", "client_id": phone.id,
            ])
            #expect(named.error == "invalid_grant")
        }
    }

    @Test func `it tells nobody which clients exist`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            var known: [Int] = []
            var unknown: [Int] = []
            for _ in 0..<12 {
                known.append(try await post(server, Party.basic(app.id, "wrong")).status)
                unknown.append(try await post(server, Party.basic("nobody", "wrong")).status)
            }
            #expect(known == unknown)
            #expect(known.suffix(3) == [401, 429, 429])
        }
    }

    @Test func `a stranger's word for its address counts for nothing`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for number in 0..<10 { _ = try await guess(server, app, times: 1, from: "203.0.113.\(number)") }
            #expect(try await guess(server, app, times: 1, from: "203.0.113.99").status == 429)
        }
    }

    @Test func `a flood of guesses leaves a bounded number of entries`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await guess(server, app, times: 100)
            let entries = try await server.entries("client.authenticate")
            #expect(entries.count <= Limits.auditedRefusalsAtOnce)
        }
    }
}

/// Assertions that say who they are from, and whether they are right.
private struct NamedAssertions: ClientAssertionVerifying {
    let algorithms = ["EdDSA"]

    func claimedClient(of assertion: SecretBytes) -> String? { Self.parts(assertion).first }

    func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion {
        guard let name = Self.parts(assertion).last, name.hasPrefix("right") else { throw .signature }
        return VerifiedAssertion(identifier: name, expiresAt: now.advanced(by: .seconds(60)))
    }

    private static func parts(_ assertion: SecretBytes) -> [String] {
        assertion.text.split(separator: " ").map(String.init)
    }
}
