import Foundation
import JWTKit
import OpenIDConnect
import Testing
import TokenIssuer
import VaultCore

/// A key of a client, as the client holds it.
struct ClientKey: Sendable {
    let kid: String
    let algorithm: String
    /// The members of its public JWK but `kid`.
    let members: [String: String]
    private let signer: any JWTAlgorithm

    static func es256(_ kid: String = "ec") async throws -> ClientKey {
        let key = ES256PrivateKey()
        let numbers = try #require(key.parameters)
        return ClientKey(
            kid: kid, algorithm: "ES256",
            members: ["kty": "EC", "crv": "P-256", "x": url(numbers.x), "y": url(numbers.y)],
            signer: try await JWTKeyCollection().add(ecdsa: key).getKey())
    }

    static func es384(_ kid: String = "ec384") async throws -> ClientKey {
        let key = ES384PrivateKey()
        let numbers = try #require(key.parameters)
        return ClientKey(
            kid: kid, algorithm: "ES384",
            members: ["kty": "EC", "crv": "P-384", "x": url(numbers.x), "y": url(numbers.y)],
            signer: try await JWTKeyCollection().add(ecdsa: key).getKey())
    }

    static func edDSA(_ kid: String = "ed") async throws -> ClientKey {
        let key = try EdDSA.PrivateKey()
        return ClientKey(
            kid: kid, algorithm: "EdDSA",
            members: [
                "kty": "OKP", "crv": "Ed25519",
                "x": Published.base64URL(Array(key.publicKey.rawRepresentation)),
            ],
            signer: try await JWTKeyCollection().add(eddsa: key).getKey())
    }

    /// The published key of RFC 7515 appendix A.2.
    static func rsa(_ kid: String = "rsa", algorithm: String = "RS256") async throws -> ClientKey {
        let key = try Insecure.RSA.PrivateKey(
            modulus: Published.modulus, exponent: "AQAB", privateExponent: Published.privateExponent)
        let keys = JWTKeyCollection()
        switch algorithm {
        case "PS256": await keys.add(pss: key, digestAlgorithm: .sha256)
        case "PS384": await keys.add(pss: key, digestAlgorithm: .sha384)
        case "RS384": await keys.add(rsa: key, digestAlgorithm: .sha384)
        case "RS512": await keys.add(rsa: key, digestAlgorithm: .sha512)
        default: await keys.add(rsa: key, digestAlgorithm: .sha256)
        }
        return ClientKey(
            kid: kid, algorithm: algorithm, members: ["kty": "RSA", "n": Published.modulus, "e": "AQAB"],
            signer: try await keys.getKey())
    }

    var jwk: [String: String] { members.merging(["kid": kid]) { $1 } }

    /// A compact JWS of any header and payload.
    func sign(header: String, payload: String) throws -> String {
        let input = "\(Published.base64URL(Array(header.utf8))).\(Published.base64URL(Array(payload.utf8)))"
        return input + "." + Published.base64URL(try signer.sign(Array(input.utf8)))
    }

    func sign(_ claims: Claims, header: [String: Any] = [:]) throws -> String {
        let fields = ["alg": algorithm, "kid": kid].merging(header) { $1 }.filter { !($0.value is NSNull) }
        return try sign(header: try json(fields), payload: try json(claims.values))
    }

    private func json(_ object: [String: Any]) throws -> String {
        String(decoding: try JSONSerialization.data(withJSONObject: object), as: UTF8.self)
    }

    private static func url(_ base64: String) -> String {
        base64.replacing("+", with: "-").replacing("/", with: "_").replacing("=", with: "")
    }
}

/// The claims of an assertion, right until a test changes them.
struct Claims {
    static let client = "client-7"
    static let issuer = "https://id.example"
    static let endpoint = "https://id.example/oauth2/token"
    static let now = VaultInstant(millisecondsSince1970: 1_767_607_200_500)

    var values: [String: Any] = [
        "iss": client, "sub": client, "aud": issuer, "jti": "a1", "iat": now.secondsSince1970,
        "exp": now.secondsSince1970 + 60,
    ]

    func with(_ name: String, _ value: Any?) -> Claims {
        var claims = self
        claims.values[name] = value
        return claims
    }
}

/// The text of a JWK Set.
func keySet(_ keys: [[String: Any]]) throws -> String {
    String(decoding: try JSONSerialization.data(withJSONObject: ["keys": keys]), as: UTF8.self)
}

/// What the verifier says of an assertion: nil where it accepts.
func refusal(
    of assertion: String, _ keys: [[String: Any]], from client: String = Claims.client
) async throws -> ClientAssertionRefusal? {
    do throws(ClientAssertionRefusal) {
        _ = try await AssertionVerifier().verify(
            SecretBytes(copying: assertion), from: client, keySet: (try? keySet(keys)) ?? "",
            audiences: [Claims.issuer, Claims.endpoint], now: Claims.now)
        return nil
    } catch { return error }
}
