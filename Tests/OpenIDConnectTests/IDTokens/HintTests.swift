import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// OpenID Connect Core section 3.1.2.1, `id_token_hint`: what counts as a token of ours.
@Suite(.bounded) struct `OpenID Connect Core section 3.1.2.1, id_token_hint` {
    private func subject(
        _ keys: VaultSigningKeys, _ token: SecretBytes, issuer: String = "https://id.example",
        client: String = "client-7"
    ) async throws -> String? {
        let hint = try await keys.read(hint: token, issuer: issuer)
        return hint?.client == client ? hint?.subject : nil
    }

    @Test(arguments: SigningAlgorithm.allCases)
    func `a token names its user after its end, and until its key goes`(
        _ algorithm: SigningAlgorithm
    ) async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([algorithm])
            let token = try await keys.mint(.example(at: place.clock.now()), algorithm: algorithm)
            #expect(try await subject(keys, token) == "u_alice")
            place.clock.advance(by: .seconds(30 * 86_400))
            #expect(try await subject(keys, token) == "u_alice")
            try await keys.rotate(algorithm)
            #expect(try await subject(keys, token) == "u_alice")
            place.clock.advance(by: VaultSigningKeys.overlap)
            #expect(try await subject(keys, token) == nil)
        }
    }

    @Test func `a token of another issuer, client, vault or hand names no user`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256, .edDSA])
            let claims = IDTokenClaims.example(at: place.clock.now())
            let token = try await keys.mint(claims, algorithm: .es256)
            #expect(try await subject(keys, token, issuer: "https://id.example/") == nil)
            #expect(try await subject(keys, token, client: "client-8") == nil)
            try await KeyVault.run { other in
                let strangers = VaultSigningKeys(other.vault)
                try await strangers.prepare([.es256])
                let foreign = try await strangers.mint(claims, algorithm: .es256)
                #expect(try await subject(keys, foreign) == nil)
            }
            let parts = token.text.split(separator: ".").map(String.init)
            func encoded(_ text: String) -> String { Base64URL.encodeToString(Array(text.utf8)) }
            let kid = try #require(try ReadToken(token).kid)
            let mallory = encoded(
                #"{"iss":"https://id.example","sub":"u_mallory","aud":"client-7","exp":4102444800,"iat":1}"#)
            let other = try #require(
                try ReadToken(try await keys.mint(claims, algorithm: .edDSA)).kid)
            let forgeries = [
                "", "..", "x.y.z", parts[0] + "." + parts[1] + ".",
                [parts[0], mallory, parts[2]].joined(separator: "."),
                encoded(#"{"alg":"none"}"#) + "." + mallory + ".",
                encoded(#"{"alg":"none","kid":"\#(kid)"}"#) + "." + mallory + ".",
                [encoded(#"{"alg":"HS256","kid":"\#(kid)"}"#), parts[1], parts[2]].joined(separator: "."),
                [encoded(#"{"alg":"ES256","kid":"\#(other)"}"#), parts[1], parts[2]].joined(separator: "."),
                [encoded(#"{"alg":"ES256"}"#), parts[1], parts[2]].joined(separator: "."),
                String(repeating: "a", count: 20_000),
            ]
            for forgery in forgeries {
                #expect(
                    try await subject(keys, SecretBytes(copying: forgery)) == nil, "\(forgery.prefix(40))")
            }
        }
    }
}
