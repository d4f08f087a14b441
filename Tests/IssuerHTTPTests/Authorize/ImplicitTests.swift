import Foundation
import IssuerHTTP
import Synchronization
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// RFC 6749 section 4.2, OpenID Connect Core section 3.2: row 86.
@Suite(.bounded) struct `RFC 6749 section 4.2, implicit grant` {
    private static let types = ["token", "id_token", "id_token token", "token id_token"]

    private func client(_ server: TestServer, _ types: [ResponseType]) async throws -> Party {
        try await server.client(scope: "openid basic") { $0.responseTypes = types }
    }

    /// Serves with a signer that only notes what it is asked to sign.
    private func run(_ body: @Sendable (TestServer, NotedClaims) async throws -> Void) async throws {
        let noted = NotedClaims()
        try await TestServer.run(configure: { configuration, _ in configuration.idTokens = noted }) {
            try await body($0, noted)
        }
    }

    @Test(arguments: types)
    func `a client not registered for it gets nothing`(_ type: String) async throws {
        try await run { server, _ in
            let app = try await server.client(scope: "openid basic")
            let browser = Browser(server)
            try await browser.haveSession()
            let reply = try await browser.authorize(
                app, ["response_type": type, "scope": "openid", "nonce": "n"])
            #expect(reply.status == 303)
            #expect(reply.answer["error"] == "unauthorized_client")
            #expect(reply.header("location")?.hasPrefix(Party.redirectURI + "#error=") == true)
        }
    }

    @Test func `oidcc-implicit: tokens stand in the fragment`() async throws {
        try await run { server, noted in
            let app = try await client(server, [.idTokenToken])
            let browser = Browser(server)
            let user = try await browser.haveSession()
            for type in ["id_token token", "token id_token"] {
                let reply = try await browser.allow(
                    app,
                    ["response_type": type, "scope": "openid basic", "nonce": "n-0S6", "prompt": "consent"])
                let answer = reply.answer
                #expect(reply.header("location")?.hasPrefix(Party.redirectURI + "#access_token=") == true)
                #expect(answer["token_type"] == "Bearer")
                #expect(answer["expires_in"] == "3600")
                #expect(answer["scope"] == "openid basic")
                #expect(answer["state"] == "af0ifjsldkj")
                #expect(answer["iss"] == "http://127.0.0.1:\(server.port)")
                #expect(answer["id_token"] == "a.b.c")
                #expect(answer["refresh_token"] == nil)
                #expect(try await server.isGood(answer["access_token"]))
                let claims = try #require(noted.last)
                #expect(claims.issuer == answer["iss"])
                #expect(claims.audience == app.id)
                #expect(claims.subject == server.vault.users.subject(of: user.id))
                #expect(claims.nonce == "n-0S6")
                #expect(claims.accessToken?.text == answer["access_token"])
                #expect(claims.authenticationTime == server.clock.now().secondsSince1970)
            }
        }
    }

    @Test func `id_token alone comes without an access token`() async throws {
        try await run { server, noted in
            let app = try await client(server, [.idToken])
            let browser = Browser(server)
            try await browser.haveSession()
            let answer = try await browser.allow(
                app, ["response_type": "id_token", "scope": "openid", "nonce": "n"]
            ).answer
            #expect(answer["id_token"] == "a.b.c")
            #expect(answer["access_token"] == nil)
            #expect(noted.last?.accessToken == nil)
            #expect(try await server.vault.grants.list().isEmpty)
        }
    }

    @Test func `token alone needs neither nonce nor signer`() async throws {
        try await TestServer.run(.quantimodo) { server in
            let app = try await client(server, [.code, .token])
            let browser = Browser(server)
            try await browser.haveSession()
            let path = "/api/v1/oauth2/authorize?response_type=token&clientId=\(app.id)&state=testabcd"
            let page = try await browser.get(path)
            let answer = try await browser.decide("allow", page).answer
            #expect(try await server.isGood(answer["access_token"]))
            #expect(answer["state"] == "testabcd")
            #expect(answer["id_token"] == nil)
        }
    }

    @Test func `what an id_token needs is asked for`() async throws {
        try await run { server, _ in
            let app = try await client(server, [.idToken, .idTokenToken])
            let browser = Browser(server)
            try await browser.haveSession()
            for (changes, error) in [
                (["nonce": nil], "invalid_request"), (["scope": "basic"], "invalid_request"),
                (["response_mode": "query"], "invalid_request"),
            ] as [([String: String?], String)] {
                var request: [String: String?] = [
                    "response_type": "id_token token", "scope": "openid", "nonce": "n",
                ]
                request.merge(changes) { _, new in new }
                let reply = try await browser.authorize(app, request)
                #expect(reply.answer["error"] == error)
                #expect(reply.header("location")?.hasPrefix(Party.redirectURI + "#") == true)
            }
        }
    }

    @Test func `without a signer there are no id_tokens`() async throws {
        try await TestServer.run { server in
            let app = try await client(server, [.idTokenToken])
            let reply = try await Browser(server).authorize(
                app, ["response_type": "id_token token", "scope": "openid", "nonce": "n"])
            #expect(reply.answer["error"] == "unsupported_response_type")
        }
    }
}

/// A signer that notes what it is asked to sign.
final class NotedClaims: IDTokenMinting {
    private let noted = Mutex<[IDTokenClaims]>([])

    var last: IDTokenClaims? { noted.withLock { $0.last } }

    func mint(_ claims: IDTokenClaims, algorithm: SigningAlgorithm) async throws -> SecretBytes {
        noted.withLock { $0.append(claims) }
        return SecretBytes(copying: "a.b.c")
    }

    func keySet() async throws -> [UInt8] { Array(#"{"keys":[]}"#.utf8) }

    func read(hint token: SecretBytes, issuer: String) async throws -> IDTokenHint? { nil }

    func algorithms() async throws -> [SigningAlgorithm] { [.rs256] }
}
