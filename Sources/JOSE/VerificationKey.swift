import Crypto
import _CryptoExtras
import JWTKit
import VaultCore

/// How a JWS may be signed (RFC 7518 section 3.1, RFC 8037 section 3.1): `none` and the symmetric algorithms are not in
/// the list.
package enum JWSAlgorithm: String, Sendable, CaseIterable {
    case rs256 = "RS256"
    case rs384 = "RS384"
    case ps256 = "PS256"
    case ps384 = "PS384"
    case es256 = "ES256"
    case es384 = "ES384"
    case edDSA = "EdDSA"

    /// The keys it is for, and the hash where they leave it open.
    enum Scheme {
        case pkcs1(DigestAlgorithm)
        case pss(DigestAlgorithm)
        case p256
        case p384
        case ed25519
    }

    var scheme: Scheme {
        switch self {
        case .rs256: .pkcs1(.sha256)
        case .rs384: .pkcs1(.sha384)
        case .ps256: .pss(.sha256)
        case .ps384: .pss(.sha384)
        case .es256: .p256
        case .es384: .p384
        case .edDSA: .ed25519
        }
    }
}

/// The public key in a JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
enum VerificationKey: Sendable {
    case rsa(JWTKit.Insecure.RSA.PublicKey)
    case p256(ES256PublicKey)
    case p384(ES384PublicKey)
    case ed25519(EdDSA.PublicKey)

    /// RSA moduli, in bits: RFC 7518 section 3.3 asks for 2048, and past the upper end verifying is a burden.
    static let modulusBits = 2048...8192

    /// Why no assertion can be verified with a JWK: the operator who registers it reads the reason.
    struct Unfit: Error { let reason: String }

    init(_ jwk: JSONValue) throws(Unfit) {
        switch jwk["kty"]?.string {
        case "RSA":
            let modulus = try Self.octets("n", of: jwk)
            let exponent = try Self.octets("e", of: jwk)
            let bits = modulus.count * 8 - (modulus.first?.leadingZeroBitCount ?? 0)
            guard Self.modulusBits.contains(bits) else {
                throw Unfit(reason: "its modulus has \(bits) bits; 2048 to 8192 are accepted")
            }
            // An even exponent is no key, 1 is no lock, and a huge one is work without gain.
            guard exponent.count <= 4, let last = exponent.last, last & 1 == 1, exponent != [1] else {
                throw Unfit(reason: "its exponent is not an odd number from 3 to 2^32")
            }
            self = .rsa(
                try Self.made {
                    try JWTKit.Insecure.RSA.PublicKey(
                        backing: _RSA.Signing.PublicKey(n: modulus, e: exponent))
                })
        case "EC":
            let count = ["P-256": 32, "P-384": 48][jwk["crv"]?.string ?? ""]
            guard let count else { throw Unfit(reason: "its curve is not P-256 or P-384") }
            let point = try Self.octets("x", of: jwk, count: count) + Self.octets("y", of: jwk, count: count)
            self = try Self.made {
                count == 32
                    ? .p256(try ES256PublicKey(backing: P256.Signing.PublicKey(rawRepresentation: point)))
                    : .p384(try ES384PublicKey(backing: P384.Signing.PublicKey(rawRepresentation: point)))
            }
        case "OKP":
            guard jwk["crv"]?.string == "Ed25519" else { throw Unfit(reason: "its curve is not Ed25519") }
            let point = try Self.octets("x", of: jwk, count: 32)
            self = .ed25519(
                try Self.made {
                    EdDSA.PublicKey(backing: try Curve25519.Signing.PublicKey(rawRepresentation: point))
                })
        case "oct": throw Unfit(reason: "it is a shared secret, not a public key")
        default: throw Unfit(reason: "its kty is not RSA, EC or OKP")
        }
    }

    /// Whether `algorithm` is one for keys of this kind.
    func fits(_ algorithm: JWSAlgorithm) -> Bool {
        switch (self, algorithm.scheme) {
        case (.rsa, .pkcs1), (.rsa, .pss), (.p256, .p256), (.p384, .p384), (.ed25519, .ed25519): true
        default: false
        }
    }

    /// Whether `signature` is over `input`; false also for an algorithm that the key does not have.
    func verifies(_ signature: [UInt8], over input: [UInt8], by algorithm: JWSAlgorithm) async -> Bool {
        // One key alone, chosen before: jwt-kit, asked by a key identifier it does not know, takes its default.
        let keys = JWTKeyCollection()
        switch (self, algorithm.scheme) {
        case (.rsa(let key), .pkcs1(let digest)): await keys.add(rsa: key, digestAlgorithm: digest)
        case (.rsa(let key), .pss(let digest)): await keys.add(pss: key, digestAlgorithm: digest)
        case (.p256(let key), .p256) where signature.count == 64: await keys.add(ecdsa: key)
        case (.p384(let key), .p384) where signature.count == 96: await keys.add(ecdsa: key)
        case (.ed25519(let key), .ed25519) where signature.count == 64: await keys.add(eddsa: key)
        default: return false
        }
        guard let verifier = try? await keys.getKey(), verifier.name == algorithm.rawValue else {
            return false
        }
        return (try? verifier.verify(signature, signs: input)) ?? false
    }

    /// A member in canonical base64url, without a leading zero octet where its length is free.
    private static func octets(_ name: String, of jwk: JSONValue, count: Int? = nil) throws(Unfit) -> [UInt8]
    {
        guard let text = jwk[name]?.string, let octets = Base64URL.decode(Array(text.utf8)), !octets.isEmpty,
            count.map({ octets.count == $0 }) ?? (octets[0] != 0)
        else { throw Unfit(reason: "its member '\(name)' is missing or malformed") }
        return octets
    }

    private static func made<Key>(_ make: () throws -> Key) throws(Unfit) -> Key {
        do { return try make() } catch { throw Unfit(reason: "its numbers are not a public key") }
    }
}
