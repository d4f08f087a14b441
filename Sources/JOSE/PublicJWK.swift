import Crypto
package import VaultCore

/// The public half of a signing key, as a JWK (RFC 7517) with its thumbprint for a name.
package struct PublicJWK: Sendable {
    /// RFC 7638 thumbprint with SHA-256, base64url: the same key has the same name wherever it is.
    package let kid: String
    /// The JSON object with the members that verifiers need, and no private one.
    package let text: String

    /// - Parameter members: those that RFC 7638 section 3.2 requires, of letters that JSON need not escape.
    private init(_ members: KeyValuePairs<String, String>, _ algorithm: SigningAlgorithm) {
        // RFC 7638 section 3: the required members alone, "ordered lexicographically", without white space.
        let required = members.sorted { $0.key < $1.key }.map { #""\#($0.key)":"\#($0.value)""# }
            .joined(separator: ",")
        kid = Base64URL.encodeToString(Array(SHA256.hash(data: Array("{\(required)}".utf8))))
        text = #"{\#(required),"use":"sig","alg":"\#(algorithm.rawValue)","kid":"\#(kid)"}"#
    }

    /// RFC 7518 section 6.3.1: the numbers without leading zero octets.
    package static func rsa(modulus: [UInt8], exponent: [UInt8]) -> PublicJWK {
        let n = Base64URL.encodeToString(Array(modulus.drop { $0 == 0 }))
        let e = Base64URL.encodeToString(Array(exponent.drop { $0 == 0 }))
        return PublicJWK(["e": e, "kty": "RSA", "n": n], .rs256)
    }

    /// RFC 7518 section 6.2.1.
    ///
    /// - Parameter point: both coordinates, 32 octets each.
    package static func p256(point: [UInt8]) -> PublicJWK {
        let x = Base64URL.encodeToString(Array(point.prefix(32)))
        let y = Base64URL.encodeToString(Array(point.suffix(32)))
        return PublicJWK(["crv": "P-256", "kty": "EC", "x": x, "y": y], .es256)
    }

    /// RFC 8037 section 2.
    package static func ed25519(point: [UInt8]) -> PublicJWK {
        PublicJWK(["crv": "Ed25519", "kty": "OKP", "x": Base64URL.encodeToString(point)], .edDSA)
    }
}

/// `at_hash`: the left half of the hash of an access token (OpenID Connect Core section 3.1.3.6).
package enum AccessTokenHash {
    /// Base64url, without padding, of the left half of the hash that `algorithm` uses.
    package static func of(_ accessToken: SecretBytes, _ algorithm: SigningAlgorithm) -> String {
        accessToken.withExposed { octets in
            let half =
                switch algorithm {
                case .rs256, .es256: Array(SHA256.hash(data: octets).prefix(16))
                // Ed25519 hashes with SHA-512 inside; that is the hash the deployed libraries take.
                case .edDSA: Array(SHA512.hash(data: octets).prefix(32))
                }
            return String(decoding: Base64URL.encode(half), as: UTF8.self)
        }
    }
}
