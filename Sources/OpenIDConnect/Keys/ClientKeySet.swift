import Crypto
import _CryptoExtras
import JWTKit
import TokenIssuer
import TokenVault
public import VaultCore

/// The public keys a client has registered (RFC 7517 section 5).
///
/// RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that are
/// not understood by them, that are missing required members, or for which values are out of the supported ranges."
/// So what cannot verify an assertion is passed over; what is no set of public keys at all is refused.
public struct ClientKeySet: Sendable {
    /// More than any client rotates through; each is looked at when one has to be found.
    static let keys = 32

    private let members: [Member]
    private let unused: [UnusedKey]
    /// The names (`kid`) of the keys that are passed over.
    private let unusedNames: [String]

    /// A key of the set that no assertion is verified with.
    public struct UnusedKey: Sendable, CustomStringConvertible {
        /// 1 for the first key of the set.
        public let place: Int
        /// Why, in words that repeat nothing of the key.
        public let reason: String

        public var description: String { "Key \(place): \(reason)" }
    }

    /// Checks the text of a JWK Set that is about to be registered for `private_key_jwt`. At least one key
    /// must be for signatures and of a kind that assertions are verified with: RSA of 2048 bits or more,
    /// P-256, Ed25519. No key may be private, and no two may answer to one name for one algorithm.
    ///
    /// - Returns: the keys that will be passed over, for the operator to read.
    /// - Throws: ``/VaultCore/VaultError/Code/invalidInput`` with the key, by its place, and what is wrong with it.
    @discardableResult
    public static func check(_ text: String) throws(VaultError) -> [UnusedKey] {
        let set = try ClientKeySet(text)
        guard !set.members.isEmpty else {
            // A few are enough to see what is wrong.
            let reasons = set.unused.prefix(4).map { "\($0.description)." }.joined(separator: " ")
            throw invalid("No key of the JWK Set can verify signatures. \(reasons)")
        }
        for (index, one) in set.members.enumerated() {
            guard let other = set.members[..<index].first(where: { $0.isMistaken(for: one) }) else {
                continue
            }
            throw invalid(
                "Keys \(other.place) and \(one.place) of the JWK Set cannot be told apart: give each its own kid."
            )
        }
        return set.unused
    }

    init(_ text: String) throws(VaultError) {
        guard text.utf8.count <= Limits.keySetBytes else {
            throw Self.invalid("A JWK Set has at most \(Limits.keySetBytes) bytes.")
        }
        guard let set = JSONReader.read(Array(text.utf8), isStrict: true), let keys = set["keys"]?.array
        else {
            throw Self.invalid(
                "A JWK Set is a JSON object with an array 'keys', and no member of it comes twice.")
        }
        guard (1...Self.keys).contains(keys.count) else {
            throw Self.invalid("A JWK Set has 1 to \(Self.keys) keys.")
        }
        var members: [Member] = []
        var unused: [UnusedKey] = []
        var unusedNames: [String] = []
        for (index, jwk) in keys.enumerated() {
            let place = index + 1
            guard jwk.isObject else { throw Self.invalid("Key \(place) of the JWK Set is not an object.") }
            if let name = ClientKeySetRules.privateMembers.first(where: { jwk[$0] != nil }) {
                throw Self.invalid(
                    "Key \(place) of the JWK Set has the member '\(name)', which belongs to a private or shared key."
                )
            }
            do throws(VerificationKey.Unfit) { members.append(try Member(jwk, place: place)) } catch {
                unused.append(UnusedKey(place: place, reason: error.reason))
                if let kid = jwk["kid"]?.string { unusedNames.append(kid) }
            }
        }
        self.members = members
        self.unused = unused
        self.unusedNames = unusedNames
    }

    /// The key that an assertion names, or the only one that it can mean.
    func key(
        named kid: String?, for algorithm: AssertionAlgorithm
    ) throws(ClientAssertionRefusal) -> VerificationKey {
        guard !members.isEmpty else { throw .unusableKey }
        var candidates = members
        if let kid {
            candidates = members.filter { $0.kid?.hasSameOctets(as: kid) == true }
            guard !candidates.isEmpty else {
                throw unusedNames.contains { $0.hasSameOctets(as: kid) } ? .unusableKey : .unknownKey
            }
        }
        let fitting = candidates.filter { $0.isFor(algorithm) }
        guard let only = fitting.first else { throw kid == nil ? .unknownKey : .algorithm }
        guard fitting.count == 1 else { throw .unknownKey }
        return only.key
    }

    private static func invalid(_ message: String) -> VaultError {
        VaultError(
            .invalidInput, message, remedy: "Register the public halves of RSA, P-256 or Ed25519 keys.")
    }

    /// One key that can verify, with what its owner says it is for.
    private struct Member: Sendable {
        let place: Int
        let kid: String?
        let key: VerificationKey
        /// The algorithms it may be used with; never empty.
        private let algorithms: [AssertionAlgorithm]

        init(_ jwk: JSONValue, place: Int) throws(VerificationKey.Unfit) {
            self.place = place
            kid = try Self.text("kid", of: jwk)
            if let kid, !(1...256).contains(kid.utf8.count) {
                throw VerificationKey.Unfit(reason: "its kid does not have 1 to 256 bytes")
            }
            if let use = try Self.text("use", of: jwk), use != "sig" {
                throw VerificationKey.Unfit(reason: "its use is not sig")
            }
            if let operations = jwk["key_ops"] {
                guard let operations = operations.array else {
                    throw VerificationKey.Unfit(reason: "its key_ops is not an array")
                }
                guard operations.contains(where: { $0.string == "verify" }) else {
                    throw VerificationKey.Unfit(reason: "its key_ops does not include verify")
                }
            }
            let algorithm = try Self.text("alg", of: jwk)
            let key = try VerificationKey(jwk)
            self.key = key
            let fitting = AssertionAlgorithm.allCases.filter(key.fits)
            algorithms = fitting.filter { algorithm ?? $0.rawValue == $0.rawValue }
            guard !algorithms.isEmpty else {
                let names = fitting.map(\.rawValue).joined(separator: " or ")
                throw VerificationKey.Unfit(reason: "its alg is not \(names)")
            }
        }

        func isFor(_ wanted: AssertionAlgorithm) -> Bool { algorithms.contains(wanted) }

        /// Whether an assertion may mean either of the two.
        func isMistaken(for other: Member) -> Bool {
            let isNamesake =
                switch (kid, other.kid) {
                case (let kid?, let other?): kid.hasSameOctets(as: other)
                case (nil, nil): true
                default: false
                }
            return isNamesake && algorithms.contains(where: other.isFor)
        }

        private static func text(_ name: String, of jwk: JSONValue) throws(VerificationKey.Unfit) -> String? {
            guard let value = jwk[name] else { return nil }
            guard let text = value.string else {
                throw VerificationKey.Unfit(reason: "its member '\(name)' is not a string")
            }
            return text
        }
    }
}

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

    /// Whether `signature` is over `input`; false also for an algorithm that the key does not have.
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
