import IssuerHTTP
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// `--legacy-get`: token requests in a query string, for clients written after the published page of the seed API.
@Suite(.bounded) struct `Token requests by GET, where switched on` {
    private static let legacy = {
        var profile = IssuerProfile.quantimodo
        profile.acceptsLegacyGet = true
        return profile
    }()

    private func query(_ app: Party, _ form: Form) -> String {
        let pairs = form.map { "\($0)=\(TestServer.encode($1))" }
        return "?"
            + (pairs + ["clientId=\(app.id)", "clientSecret=\(app.secret ?? "")"]).joined(separator: "&")
    }

    @Test func `a client gets and refreshes its tokens, with a warning each time and an entry a minute`()
        async throws
    {
        try await TestServer.run(Self.legacy) { server in
            let app = try await server.client()
            let code = try await server.code(app)
            let first = try await server.send(
                "GET",
                "/api/v3/oauth2/token" + query(app, ["grant_type": "authorization_code", "code": code]))
            #expect(first.status == 200)
            #expect(first.header("cache-control") == "no-store")
            #expect(first.member("accessToken") == first.accessToken)
            server.clock.advance(by: Limits.foldedRefusalInterval)
            let second = try await server.send(
                "GET",
                "/v3/oauth2/token"
                    + query(app, ["grant_type": "refresh_token", "refresh_token": first.refreshToken ?? ""]))
            #expect(second.status == 200)
            let entries = try await server.entries("token.request")
            #expect(entries.map(\.reason) == ["legacy_get", "legacy_get"])
            #expect(entries.last?.requestID == second.header("x-request-id"))
            let lines = server.log.all
            for secret in [code, app.secret ?? "?", first.refreshToken ?? "?", second.accessToken ?? "?"] {
                #expect(!lines.joined().contains(secret))
            }
        }
    }

    @Test func `half of the parameters may stand beside the body of a POST, none twice`() async throws {
        try await TestServer.run(Self.legacy) { server in
            let app = try await server.client()
            let path = "/oauth2/token" + query(app, [:])
            #expect(try await server.post(["grant_type": "client_credentials"], path: path).status == 200)
            #expect(try await server.entries("token.request").count == 1)
            let twice = try await server.post(
                ["grant_type": "client_credentials", "clientId": app.id], path: path)
            #expect(twice.error == "invalid_request")
            let spellings = try await server.post(
                ["grant_type": "client_credentials", "client_id": app.id], path: path)
            #expect(spellings.error == "invalid_request")
            // A POST that is whole leaves no trace.
            _ = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            #expect(try await server.entries("token.request").count == 1)
        }
    }

    @Test func `a query is read as strictly as a body`() async throws {
        try await TestServer.run(Self.legacy) { server in
            let app = try await server.client()
            let whole = query(app, ["grant_type": "client_credentials"])
            let bad = [
                "", "?", "?grant_type=", whole + "&grant_type=client_credentials", whole + "&a=%zz",
                whole + "&a=%00",
            ]
            for query in bad {
                let reply = try await server.send("GET", "/oauth2/token" + query)
                #expect(reply.status == 400, "\(query.suffix(30))")
                #expect(reply.error == "invalid_request")
            }
            #expect(
                try await server.send("GET", "/oauth2/token" + query(app, ["grant_type": "x"])).status == 400)
            #expect(try await server.send("HEAD", "/oauth2/token" + whole).status == 405)
            #expect(try await server.send("PUT", "/oauth2/token" + whole).status == 405)
            #expect(try await server.entries("token.client-credentials").isEmpty)
        }
    }

    @Test func `guesses are throttled and entries bounded as elsewhere`() async throws {
        try await TestServer.run(Self.legacy) { server in
            let app = try await server.client()
            for _ in 0..<10 {
                let reply = try await server.send(
                    "GET", "/oauth2/token?grant_type=client_credentials&client_id=\(app.id)&client_secret=x")
                #expect(reply.status == 401)
            }
            let guess = try await server.send(
                "GET", "/oauth2/token?grant_type=client_credentials&client_id=\(app.id)&client_secret=x")
            #expect(guess.status == 429)
            let right = try await server.send(
                "GET", "/oauth2/token" + query(app, ["grant_type": "client_credentials"]))
            #expect(right.status == 200, "a right secret is answered all the same")
            let phone = try await server.publicClient()
            server.clock.advance(by: .seconds(10))
            for _ in 0..<40 {
                _ = try await server.send(
                    "GET", "/oauth2/token?grant_type=refresh_token&refresh_token=x&client_id=\(phone.id)")
            }
            #expect(try await server.entries("token.request").count <= 10)
        }
    }

    @Test func `without the switch a GET is refused, in the profile too`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            let query = query(app, ["grant_type": "client_credentials"])
            #expect(try await server.send("GET", "/oauth2/token" + query).status == 405)
            #expect(
                try await server.post(["grant_type": "client_credentials"], path: "/oauth2/token" + query)
                    .status == 401)
        }
    }

    @Test(arguments: [
        "*/*", "application/json", "text/html", "application/xml;q=0.9", "text/plain, */*;q=0.1",
    ])
    func `whatever is said to be acceptable, the answer is JSON`(_ accept: String) async throws {
        try await TestServer.run(Self.legacy) { server in
            let app = try await server.client()
            let reply = try await server.post(
                body: "grant_type=client_credentials",
                headers: ["Authorization: \(app.basic)", "Accept: \(accept)"])
            #expect(reply.status == 200)
            #expect(reply.header("content-type") == "application/json")
        }
    }
}
