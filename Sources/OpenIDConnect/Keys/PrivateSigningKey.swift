import Crypto
import _CryptoExtras
import Foundation
import JWTKit
import TokenIssuer
package import TokenVault
package import VaultCore

/// A private key that signs id_tokens, ready for use.
package struct PrivateSigningKey: Sendable {
    package let publicKey: PublicJWK
    package let algorithm: SigningAlgorithm
    /// `header.`: the same for every token that this key signs.
    private let encodedHeader: [UInt8]
    private let signer: any JWTAlgorithm

    /// A new key as the vault keeps it: PKCS #1 for RSA, the 32 octets of the secret otherwise. For RSA this
    /// takes a good part of a second, so never call it where others wait.
    package static func storedForm(ofNew algorithm: SigningAlgorithm) throws -> SecretBytes {
        switch algorithm {
        case .rs256: SecretBytes(Array(try _RSA.Signing.PrivateKey(keySize: .bits2048).derRepresentation))
        case .es256: SecretBytes(Array(P256.Signing.PrivateKey().rawRepresentation))
        case .edDSA: SecretBytes(Array(Curve25519.Signing.PrivateKey().rawRepresentation))
        }
    }

    /// Reads a key that was stored.
    ///
    /// - Throws: ``/VaultCore/VaultError/Code/integrity`` when the octets are no such key.
    package init(_ algorithm: SigningAlgorithm, storedForm: SecretBytes) async throws {
        self.algorithm = algorithm
        // One key to a collection: jwt-kit, asked by a key identifier it does not know, takes its default.
        let keys = JWTKeyCollection()
        switch try Material(algorithm, storedForm) {
        case .rsa(let key):
            let numbers = try key.publicKey.getKeyPrimitives()
            publicKey = .rsa(modulus: Array(numbers.modulus), exponent: Array(numbers.publicExponent))
            await keys.add(rsa: try JWTKit.Insecure.RSA.PrivateKey(backing: key), digestAlgorithm: .sha256)
        case .p256(let key):
            publicKey = .p256(point: Array(key.publicKey.rawRepresentation))
            await keys.add(ecdsa: try ES256PrivateKey(backing: key))
        case .ed25519(let key):
            publicKey = .ed25519(point: Array(key.publicKey.rawRepresentation))
            await keys.add(eddsa: EdDSA.PrivateKey(backing: key))
        }
        signer = try await keys.getKey()
        // RFC 7515 section 4.1: `typ` JWT, because OpenID Connect has no type of its own for id_tokens.
        let header = #"{"alg":"\#(algorithm.rawValue)","kid":"\#(publicKey.kid)","typ":"JWT"}"#
        encodedHeader = Base64URL.encode(Array(header.utf8)) + [UInt8(ascii: ".")]
    }

    /// The compact JWS over `payload` (RFC 7515 section 3.1).
    package func sign(_ payload: [UInt8]) throws -> [UInt8] {
        var token = encodedHeader + Base64URL.encode(payload)
        let signature = try signer.sign(token)
        token.append(UInt8(ascii: "."))
        return token + Base64URL.encode(signature)
    }

    /// A private key of swift-crypto.
    private enum Material {
        case rsa(_RSA.Signing.PrivateKey)
        case p256(P256.Signing.PrivateKey)
        case ed25519(Curve25519.Signing.PrivateKey)

        init(_ algorithm: SigningAlgorithm, _ stored: SecretBytes) throws {
            do {
                self = try stored.withExposed { octets in
                    switch algorithm {
                    case .rs256: .rsa(try _RSA.Signing.PrivateKey(derRepresentation: octets))
                    case .es256: .p256(try P256.Signing.PrivateKey(rawRepresentation: octets))
                    case .edDSA: .ed25519(try Curve25519.Signing.PrivateKey(rawRepresentation: octets))
                    }
                }
            } catch {
                throw VaultError(.integrity, "A stored signing key is not a key for \(algorithm.rawValue).")
            }
        }
    }
}

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

/// The claims of an id_token as JSON (OpenID Connect Core section 2).
extension IDTokenClaims {
    func payload(_ algorithm: SigningAlgorithm) throws -> [UInt8] {
        var members = additional
        members["iss"] = .string(issuer)
        members["sub"] = .string(subject)
        members["aud"] = .string(audience)
        members["exp"] = .integer(expiresAt.secondsSince1970)
        members["iat"] = .integer(issuedAt.secondsSince1970)
        members["auth_time"] = authenticationTime.map { .integer($0) }
        members["nonce"] = nonce.map { .string($0) }
        members["at_hash"] = accessToken.map { .string(AccessTokenHash.of($0, algorithm)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(members))
    }
}
