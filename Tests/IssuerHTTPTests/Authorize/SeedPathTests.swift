import TestSupport
import Testing
import TokenIssuer
import TokenVault

/// The authorization endpoint as clients of the QuantiModo API call it.
@Suite(.bounded) struct `The seed API's authorization endpoint` {
    static let paths = [
        "/oauth2/authorize", "/api/v1/oauth2/authorize", "/api/v3/oauth2/authorize", "/v1/oauth2/authorize",
        "/api/v1/oauth/authorize", "/api/v2/oauth/authorize", "/v2/oauth2/authorize", "/v3/oauth2/authorize",
        "/api/oauth2/authorize",
    ]

    @Test func `every path in use answers, with both spellings of the client`() async throws {
        try await TestServer.run(.quantimodo) { server in
            #expect(IssuerProfile.quantimodo.authorizePaths == Self.paths)
            let app = try await server.client()
            let browser = Browser(server)
            try await browser.haveSession()
            _ = try await browser.allow(app, ["scope": nil])
            for path in Self.paths {
                for name in ["client_id", "clientId"] {
                    let reply = try await browser.get(
                        path + "?response_type=code&\(name)=\(app.id)&scope=basic&state=testabcd&platform=web"
                    )
                    #expect(reply.answer["code"] != nil, "\(path)")
                    #expect(reply.answer["state"] == "testabcd")
                }
                let both = try await browser.get(
                    path + "?response_type=code&client_id=\(app.id)&clientId=\(app.id)")
                #expect(both.status == 400)
                #expect(both.isPage)
            }
        }
    }

    @Test func `the standard profile knows the standard path and spelling alone`() async throws {
        try await TestServer.run { server in
            let app = try await server.client()
            let browser = Browser(server)
            for path in Self.paths.dropFirst() {
                #expect(try await browser.authorize(app, path: path).status == 404)
            }
            let reply = try await browser.authorize(app, ["client_id": nil, "clientId": app.id])
            #expect(reply.status == 400)
        }
    }
}
