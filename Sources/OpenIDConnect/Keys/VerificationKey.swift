import Crypto
import JWTKit
import VaultCore
import _CryptoExtras

/// The public key in a JWK (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).
enum VerificationKey: Sendable {
    case rsa(JWTKit.Insecure.RSA.PublicKey)
    case p256(ES256PublicKey)
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
            guard jwk["crv"]?.string == "P-256" else { throw Unfit(reason: "its curve is not P-256") }
            let point = try Self.octets("x", of: jwk, count: 32) + Self.octets("y", of: jwk, count: 32)
            self = .p256(
                try Self.made {
                    try ES256PublicKey(backing: P256.Signing.PublicKey(rawRepresentation: point))
                })
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
    func fits(_ algorithm: AssertionAlgorithm) -> Bool {
        switch (self, algorithm) {
        case (.rsa, .rs256), (.rsa, .ps256), (.p256, .es256), (.ed25519, .edDSA): true
        default: false
        }
    }

    /// Whether `signature` is over `input`; false also where the algorithm is none for this key.
    func verifies(_ signature: [UInt8], over input: [UInt8], by algorithm: AssertionAlgorithm) async -> Bool {
        // One key alone, chosen before: jwt-kit, asked by a key identifier it does not know, takes its default.
        let keys = JWTKeyCollection()
        switch (self, algorithm) {
        case (.rsa(let key), .rs256): await keys.add(rsa: key, digestAlgorithm: .sha256)
        case (.rsa(let key), .ps256): await keys.add(pss: key, digestAlgorithm: .sha256)
        case (.p256(let key), .es256) where signature.count == 64: await keys.add(ecdsa: key)
        case (.ed25519(let key), .edDSA) where signature.count == 64: await keys.add(eddsa: key)
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
