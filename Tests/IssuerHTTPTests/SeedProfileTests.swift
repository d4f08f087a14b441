import Foundation
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting

/// `--profile quantimodo`: what clients of the older API send and read.
@Suite(.bounded) struct `The seed API's profile` {
    private static let paths = [
        "/oauth2/token", "/api/v1/oauth/access_token", "/api/v3/oauth2/token", "/api/v1/oauth2/token",
        "/api/oauth2/token", "/api/v1/oauth/token", "/api/v2/oauth/access_token", "/v2/oauth2/access_token",
        "/v3/oauth2/token",
    ]

    @Test func `every spelling of the path hands out tokens, by POST alone`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            for path in Self.paths {
                let reply = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic, path: path)
                #expect(reply.status == 200, "\(path)")
                let wire = try Wire(port: server.port)
                try await wire.send("GET \(path)?grant_type=client_credentials HTTP/1.1\r\nHost: a\r\n\r\n")
                #expect(try await wire.reply().status == 405, "\(path)")
            }
        }
    }

    @Test func `without the profile the older paths and spellings are unknown`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            for path in Self.paths.dropFirst() {
                let reply = try await server.post(
                    ["grant_type": "client_credentials"], authorization: app.basic, path: path)
                #expect(reply.status == 404, "\(path)")
                #expect(reply.error == "invalid_request")
                #expect(reply.header("cache-control") == "no-store")
            }
            let camel = try await server.post(
                ["grant_type": "client_credentials", "clientId": app.id, "clientSecret": app.secret ?? ""])
            #expect(camel.status == 401)
        }
    }

    @Test func `the client may be named in either spelling, not in both`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            let secret = app.secret ?? ""
            let good: [Form] = [
                ["grant_type": "client_credentials", "clientId": app.id, "clientSecret": secret],
                ["grant_type": "client_credentials", "clientId": app.id, "client_secret": secret],
                ["grant_type": "client_credentials", "client_id": app.id, "clientSecret": secret],
            ]
            for form in good { #expect(try await server.post(form).status == 200) }
            let bad: [Form] = [
                [
                    "grant_type": "client_credentials", "clientId": app.id, "client_id": app.id,
                    "client_secret": secret,
                ],
                [
                    "grant_type": "client_credentials", "client_id": app.id, "client_secret": secret,
                    "clientSecret": secret,
                ],
            ]
            for form in bad {
                let reply = try await server.post(form)
                #expect(reply.status == 400)
                #expect(reply.error == "invalid_request")
            }
        }
    }

    @Test func `the response repeats its members in camel case, with a date`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await server.client()
            let reply = try await server.tokens(app)
            #expect(reply.member("accessToken") == reply.accessToken)
            #expect(reply.member("refreshToken") == reply.refreshToken)
            #expect(reply.member("token_type") == "Bearer")
            // The clock of the tests stands at 10:00:00 and access tokens live an hour.
            #expect(reply.member("expires") == "2026-01-05 11:00:00")
            server.clock.advance(by: .seconds(86400 * 60 - 7))
            let own = try await server.post(["grant_type": "client_credentials"], authorization: app.basic)
            #expect(own.member("expires") == "2026-03-06 10:59:53")
            #expect(own.json["refreshToken"] == nil)
        }
    }

    @Test func `redirect_uri may be left out by a client that has registered one`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let one = try await server.client()
            let two = try await server.client("two") { $0.redirectURIs.append("https://app.example/other") }
            for (app, status) in [(one, 200), (two, 400)] {
                let code = try await server.code(app)
                let reply = try await server.post(
                    ["grant_type": "authorization_code", "code": code], authorization: app.basic)
                #expect(reply.status == status)
            }
            let code = try await server.code(one)
            #expect(
                try await server.redeem(code, one, redirectURI: "https://app.example/x").error
                    == "invalid_grant")
        }
    }

    @Test func `profiles are found by name`() {
        #expect(IssuerProfile(named: "quantimodo")?.tokenPaths == Self.paths)
        #expect(IssuerProfile(named: "standard")?.tokenPaths == ["/oauth2/token"])
        #expect(IssuerProfile(named: "Quantimodo") == nil)
    }
}
