import Foundation
import JOSE
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import TokenVault
import TokenVaultTesting
import VaultCore

/// OpenID Connect Core section 2: what an id_token says.
@Suite(.bounded) struct `OpenID Connect Core section 2, the id_token` {
    @Test(arguments: SigningAlgorithm.allCases)
    func `header and claims`(_ algorithm: SigningAlgorithm) async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([algorithm])
            let now = place.clock.now()
            var claims = IDTokenClaims.example(at: now)
            claims.additional = [
                "name": "Alice", "sub": "u_mallory", "iss": "https://evil.example", "nonce": 1,
            ]
            let token = try ReadToken(try await keys.mint(claims, algorithm: algorithm))
            #expect(Set(token.header.keys) == ["typ", "alg", "kid"])
            #expect(token.header["typ"] as? String == "JWT")
            #expect(token.header["alg"] as? String == algorithm.rawValue)
            let seconds = now.secondsSince1970
            let expected: [String: Any] = [
                "iss": "https://id.example", "sub": "u_alice", "aud": "client-7", "iat": seconds,
                "exp": seconds + 3600, "auth_time": seconds - 30, "nonce": #"n-"\ é/"# + "\n",
                "name": "Alice",
                "at_hash": AccessTokenHash.of(SecretBytes(copying: "tv_at_x"), algorithm),
            ]
            #expect(NSDictionary(dictionary: token.claims) == NSDictionary(dictionary: expected))
        }
    }

    @Test func `what is not known is left out`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare([.es256])
            let now = place.clock.now()
            let claims = IDTokenClaims(
                issuer: "i", subject: "s", audience: "a", issuedAt: now, expiresAt: now)
            let token = try ReadToken(try await keys.mint(claims, algorithm: .es256))
            #expect(Set(token.claims.keys) == ["iss", "sub", "aud", "iat", "exp"])
        }
    }
}

/// The same tokens and assertions, read and made by a library that shares no code with ours.
@Suite(.bounded) struct `joserfc, an independent library` {
    @Test func `verifies the id_tokens of every algorithm with the published keys`() async throws {
        try await KeyVault.run { place in
            let keys = VaultSigningKeys(place.vault)
            try await keys.prepare()
            try await keys.rotate(.edDSA)
            let now = place.clock.now()
            var tokens: [[String: Any]] = []
            for algorithm in SigningAlgorithm.allCases {
                let token = try await keys.mint(.example(at: now), algorithm: algorithm)
                tokens.append([
                    "token": token.text, "alg": algorithm.rawValue, "access_token": "tv_at_x",
                    "claims": [
                        "iss": "https://id.example", "sub": "u_alice", "aud": "client-7",
                        "iat": now.secondsSince1970, "exp": now.secondsSince1970 + 3600,
                        "auth_time": now.secondsSince1970 - 30, "nonce": #"n-"\ é/"# + "\n",
                    ] as [String: Any],
                ])
            }
            let published = try JSONSerialization.jsonObject(with: Data(try await keys.keySet()))
            let answer = try python("verify_id_tokens.py", ["keys": published, "tokens": tokens])
            #expect(
                String(decoding: answer, as: UTF8.self) == "RS256 verified\nES256 verified\nEdDSA verified\n")
        }
    }

    @Test func `makes client assertions that are accepted`() async throws {
        let answer = try python(
            "make_assertions.py",
            ["client": Claims.client, "audience": Claims.endpoint, "now": Claims.now.secondsSince1970])
        let made = try #require(try JSONSerialization.jsonObject(with: answer) as? [String: Any])
        let set = try #require(made["keys"])
        let text = String(decoding: try JSONSerialization.data(withJSONObject: set), as: UTF8.self)
        try ClientKeySet.check(text)
        let assertions = try #require(made["assertions"] as? [String: String])
        #expect(Set(assertions.keys) == Set(AssertionVerifier().algorithms))
        for (algorithm, assertion) in assertions {
            let verified = try await AssertionVerifier().verify(
                SecretBytes(copying: assertion), from: Claims.client, keySet: text,
                audiences: [Claims.issuer, Claims.endpoint], now: Claims.now)
            #expect(verified.identifier.count == 36, "\(algorithm)")
        }
    }
}
