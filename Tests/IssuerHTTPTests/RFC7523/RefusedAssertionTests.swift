import IssuerHTTP
import OpenIDConnect
import TestSupport
import Testing
import TokenVault
import VaultCore

/// RFC 7521 section 4.2.1: what an assertion that is refused is answered, and what the log says of it.
@Suite(.bounded) struct `RFC 7521 section 4.2.1, refused assertions` {
    /// An assertion that names `client`, with a signature that no key made.
    private func ask(_ server: TestServer, as client: String) async throws -> Reply {
        let parts = [
            #"{"alg":"ES256","kid":"one"}"#, #"{"iss":"\#(client)","sub":"\#(client)"}"#,
            String(repeating: "s", count: 64),
        ]
        let assertion = parts.map { Base64URL.encodeToString(Array($0.utf8)) }.joined(separator: ".")
        return try await server.post([
            "grant_type": "client_credentials", "client_assertion": assertion,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        ])
    }

    @Test func `the log names the reason, and the answer is the same for all`() async throws {
        try await TestServer.run(configure: { configuration, _ in
            configuration.issuer = "https://id.example"
            configuration.assertions = AssertionVerifier()
        }) { server in
            func client(_ name: String, key: String) async throws -> Party {
                try await server.client(name) {
                    $0.authenticationMethods = [.privateKeyJWT]
                    $0.keySet = #"{"keys":[\#(key)]}"#
                }
            }
            // The key of RFC 7515 appendix A.3.
            let point =
                #""x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","#
                + #""y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0""#
            let good = try await client("good", key: #"{"kty":"EC","crv":"P-256","kid":"one",\#(point)}"#)
            let named = try await client("named", key: #"{"kty":"EC","crv":"P-256","kid":"two",\#(point)}"#)
            // A host may register what it did not check.
            let unusable = try await client("unusable", key: #"{"kty":"EC","crv":"P-521","kid":"one"}"#)
            let replies = [
                try await ask(server, as: good.id), try await ask(server, as: named.id),
                try await ask(server, as: unusable.id),
                try await ask(server, as: try await server.client().id),
                try await ask(server, as: "nobody"),
            ]
            #expect(replies.allSatisfy { $0.status == 401 && $0.body == replies[0].body })
            #expect(
                try await server.entries("client.authenticate").map(\.reason) == [
                    "assertion_signature", "assertion_unknown_key", "assertion_unusable_key", "wrong_method",
                    "unknown_client",
                ])
        }
    }
}
