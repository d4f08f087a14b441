import IssuerHTTP
import Testing
import TokenVault
import VaultCore

/// RFC 6749 section 2.3.1: an endpoint that takes passwords is protected "against brute force attacks".
@Suite struct `Failed authentication is throttled` {
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

    @Test func `after ten wrong secrets the client waits, and then the right one works`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            #expect(try await guess(server, app, times: 10).status == 401)
            let throttled = try await post(server, app.basic)
            #expect(throttled.status == 429)
            #expect(throttled.header("retry-after") == "1")
            #expect(throttled.error == "temporarily_unavailable")
            #expect(throttled.header("cache-control") == "no-store")
            server.clock.advance(by: .seconds(1))
            #expect(try await guess(server, app, times: 1).status == 401)
            #expect(try await post(server, app.basic).header("retry-after") == "2")
            server.clock.advance(by: .seconds(2))
            #expect(try await post(server, app.basic).status == 200)
            // And the count begins anew.
            #expect(try await guess(server, app, times: 9).status == 401)
            #expect(try await post(server, app.basic).status == 200)
        }
    }

    @Test func `other clients at the same address are not slowed`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let other = try await server.client("other")
            let phone = try await server.publicClient()
            _ = try await guess(server, app, times: 40)
            #expect(try await post(server, app.basic).status == 429)
            #expect(try await post(server, other.basic).status == 200)
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

    @Test func `by the proxy's word, where it is trusted, the client goes on from elsewhere`() async throws {
        var limits = RequestLimits()
        limits.trustsForwardedFor = true
        try await TestServer.run(limits: limits) { server in
            let app = try await server.client()
            _ = try await guess(server, app, times: 10, from: "203.0.113.7")
            #expect(try await post(server, app.basic, from: "203.0.113.7").status == 429)
            #expect(try await post(server, app.basic, from: "203.0.113.8").status == 200)
            // What the guesser writes before the proxy's word counts for nothing.
            #expect(try await post(server, app.basic, from: "198.51.100.1, 203.0.113.7").status == 429)
            #expect(try await post(server, app.basic, from: "::ffff:203.0.113.7").status == 429)
            // Nonsense falls back to the connection.
            #expect(try await post(server, app.basic, from: "unknown").status == 200)
        }
    }

    @Test func `one network of IPv6 is one address`() async throws {
        var limits = RequestLimits()
        limits.trustsForwardedFor = true
        try await TestServer.run(limits: limits) { server in
            let app = try await server.client()
            for number in 1...10 {
                _ = try await guess(server, app, times: 1, from: "2001:db8:0:1::\(number)")
            }
            #expect(try await post(server, app.basic, from: "2001:db8:0:1:ffff::1").status == 429)
            #expect(try await post(server, app.basic, from: "2001:db8:0:2::1").status == 200)
        }
    }

    @Test func `a stranger's word for its address counts for nothing`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for number in 0..<10 { _ = try await guess(server, app, times: 1, from: "203.0.113.\(number)") }
            #expect(try await post(server, app.basic, from: "203.0.113.99").status == 429)
        }
    }

    @Test func `a flood of guesses leaves a bounded number of entries`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            _ = try await guess(server, app, times: 100)
            let entries = try server.entries("client.authenticate")
            #expect(entries.count <= Limits.auditedRefusalsAtOnce)
        }
    }
}
