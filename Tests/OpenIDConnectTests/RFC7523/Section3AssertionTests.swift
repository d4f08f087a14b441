import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import VaultCore

/// RFC 7523 section 3: what an assertion must be.
@Suite(.bounded) struct `RFC 7523 section 3, client assertions` {
    @Test(arguments: ["RS256", "RS384", "PS256", "PS384", "ES256", "ES384", "EdDSA"])
    func `an assertion is accepted`(_ algorithm: String) async throws {
        let key =
            switch algorithm {
            case "ES256": try await ClientKey.es256()
            case "ES384": try await ClientKey.es384()
            case "EdDSA": try await ClientKey.edDSA()
            default: try await ClientKey.rsa(algorithm: algorithm)
            }
        let assertion = SecretBytes(copying: try key.sign(Claims()))
        let verified = try await AssertionVerifier().verify(
            assertion, from: Claims.client, keySet: try keySet([key.jwk]),
            audiences: [Claims.issuer, Claims.endpoint], now: Claims.now)
        #expect(verified.identifier == "a1")
        #expect(verified.expiresAt.secondsSince1970 == Claims.now.secondsSince1970 + 60)
        #expect(AssertionVerifier().claimedClient(of: assertion) == Claims.client)
        #expect(AssertionVerifier().algorithms.contains(algorithm))
    }

    @Test func `the audience is the issuer or the token endpoint, alone or in a list`() async throws {
        let key = try await ClientKey.es256()
        let accepted: [Any] = [
            Claims.issuer, Claims.endpoint, [Claims.endpoint], ["https://other.example", Claims.issuer],
        ]
        for audience in accepted {
            #expect(try await refusal(of: key.sign(Claims().with("aud", audience)), [key.jwk]) == nil)
        }
        let refused: [Any?] = [
            nil, "", "https://id.example/", "https://ID.example", "https://id.example.evil.example",
            [], [["https://id.example"]], 7, ["aud": Claims.issuer], "https://id.example/oauth2/token?x",
        ]
        for audience in refused {
            #expect(try await refusal(of: key.sign(Claims().with("aud", audience)), [key.jwk]) == .audience)
        }
    }

    @Test func `iss and sub are the client, octet by octet`() async throws {
        let key = try await ClientKey.es256()
        for name in ["iss", "sub"] {
            for value in [nil, "", "client-8", "Client-7", 7, ["client-7"]] as [Any?] {
                #expect(try await refusal(of: key.sign(Claims().with(name, value)), [key.jwk]) == .claims)
            }
        }
        // Two spellings of one character are two clients.
        let claims = Claims().with("iss", "caf\u{E9}").with("sub", "caf\u{E9}")
        #expect(try await refusal(of: key.sign(claims), [key.jwk], from: "caf\u{E9}") == nil)
        #expect(try await refusal(of: key.sign(claims), [key.jwk], from: "cafe\u{301}") == .claims)
    }

    @Test func `exp is required, to come, and not far ahead`() async throws {
        let key = try await ClientKey.es256()
        let now = Claims.now.secondsSince1970
        func verdict(_ expiry: Any?) async throws -> ClientAssertionRefusal? {
            try await refusal(of: key.sign(Claims().with("iat", nil).with("exp", expiry)), [key.jwk])
        }
        #expect(try await verdict(nil) == .claims)
        for odd in ["1767607260", -1, 1e300, true, NSNull()] as [Any] {
            #expect(try await verdict(odd) == .claims)
        }
        // The moment is half a second past `now`.
        for past in [now - 3600, now, Double(now) + 0.5] as [Any] {
            #expect(try await verdict(past) == .expired)
        }
        for good in [Double(now) + 0.75, now + 1, now + 3600] as [Any] {
            #expect(try await verdict(good) == nil)
        }
        for far in [now + 3661, now + 86400, 253_402_300_799] as [Any] {
            #expect(try await verdict(far) == .expired)
        }
    }

    @Test func `nbf and iat are not to come, but for a clock a little ahead`() async throws {
        let key = try await ClientKey.es256()
        let now = Claims.now.secondsSince1970
        for name in ["nbf", "iat"] {
            for good in [now - 3600, now, now + 59] as [Any] {
                #expect(try await refusal(of: key.sign(Claims().with(name, good)), [key.jwk]) == nil)
            }
            for early in [now + 62, now + 600] {
                #expect(try await refusal(of: key.sign(Claims().with(name, early)), [key.jwk]) == .expired)
            }
            #expect(try await refusal(of: key.sign(Claims().with(name, "now")), [key.jwk]) == .claims)
        }
        let backwards = Claims().with("iat", now + 50).with("exp", now + 40)
        #expect(try await refusal(of: key.sign(backwards), [key.jwk]) == .expired)
    }

    @Test func `jti is required, 1 to 256 bytes`() async throws {
        let key = try await ClientKey.es256()
        let longest = String(repeating: "j", count: 256)
        #expect(try await refusal(of: key.sign(Claims().with("jti", longest)), [key.jwk]) == nil)
        for value in [nil, "", longest + "j", 7] as [Any?] {
            #expect(try await refusal(of: key.sign(Claims().with("jti", value)), [key.jwk]) == .claims)
        }
    }

    @Test func `without a kid the key must be the only one that fits`() async throws {
        let (first, second, other) = (
            try await ClientKey.es256("1"), try await ClientKey.es256("2"), try await ClientKey.edDSA("3")
        )
        let unnamed = try first.sign(Claims(), header: ["kid": NSNull()])
        #expect(try await refusal(of: unnamed, [first.members]) == nil)
        #expect(try await refusal(of: unnamed, [other.jwk, first.jwk]) == nil)
        #expect(try await refusal(of: unnamed, [first.jwk, second.jwk]) == .unknownKey)
        #expect(try await refusal(of: unnamed, [other.jwk]) == .unknownKey)
    }

    @Test func `a key is used for what its owner says it is for`() async throws {
        let (key, other) = (try await ClientKey.rsa("1"), try await ClientKey.es256("2"))
        func verdict(_ extra: [String: Any]) async throws -> ClientAssertionRefusal? {
            let jwk = (key.jwk as [String: Any]).merging(extra) { $1 }
            return try await refusal(of: key.sign(Claims()), [jwk, other.jwk])
        }
        for good in [["use": "sig"], ["alg": "RS256"], ["key_ops": ["verify"]]] as [[String: Any]] {
            #expect(try await verdict(good) == nil)
        }
        #expect(try await verdict(["alg": "PS256"]) == .algorithm)
        for wrong in [["use": "enc"], ["key_ops": ["encrypt"]]] as [[String: Any]] {
            #expect(try await verdict(wrong) == .unusableKey)
        }
    }
}
