import TestSupport
import Testing
import TokenIssuer
import TokenVault
import VaultAudit

/// What strangers send, wherever they send it, costs no disk, no secret and no 5xx.
@Suite(.bounded) struct `Strangers at every endpoint` {
    private static let paths = [
        "/oauth2/token", "/oauth2/revoke", "/oauth2/introspect", "/oauth2/userinfo", "/oauth2/authorize",
        "/consent",
        "/account/consents", "/sign-in", "/sign-out", "/oauth2/jwks", "/.well-known/openid-configuration",
        "/health/live", "/nothing",
    ]
    private static let secret = "s3cretOfSomebody"

    /// Requests that are wrong each in its way, around credentials that are somebody's.
    private static func bodies(_ app: Party) -> [String] {
        let grants = ["authorization_code", "refresh_token", "client_credentials", "password", "%00", ""]
        let clients = [
            "", "client_id=\(app.id)", "client_id=nobody&client_secret=\(secret)",
            "client_id=\(app.id)&client_secret=\(secret)",
            "client_assertion=\(secret)&client_assertion_type=x",
        ]
        return grants.flatMap { grant in
            clients.map { client in
                "grant_type=\(grant)&\(client)&code=\(secret)&refresh_token=\(secret)&token=\(secret)"
                    + "&user=\(secret)&password=\(secret)&form=\(secret)&response_type=code&state=\(secret)"
            }
        }
    }

    @Test func `1,000 requests make no 5xx, no line with a credential, and a bounded number of leaves`()
        async throws
    {
        try await TestServer.runOpenID { server in
            let app = try await server.client()
            let before = try await server.vault.auditSize()
            var sent = 0
            for body in Self.bodies(app) {
                for path in Self.paths {
                    for headers in [[], ["Authorization: \(Party.basic(app.id, Self.secret))"]] {
                        let replies = [
                            try await server.post(body: body, headers: headers, path: path),
                            try await server.send("GET", path + "?" + body, headers),
                        ]
                        for reply in replies {
                            #expect(reply.status < 500, "\(path) \(body)")
                            sent += 1
                        }
                    }
                }
            }
            #expect(sent > 1000)
            let leaves = try await server.vault.auditSize() - before
            #expect(leaves < 100, "\(leaves) leaves for \(sent) requests")
            let log = server.log.all.joined(separator: "\n")
            #expect(!log.contains(Self.secret))
            #expect(log.contains("request"))
            // Nor does it slow down anybody else.
            #expect(try await server.tokens(server.client("other")).status == 200)
        }
    }
}
