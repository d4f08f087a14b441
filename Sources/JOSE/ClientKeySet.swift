public import VaultCore

/// The public keys a client has registered (RFC 7517 section 5).
///
/// RFC 7517 section 5: "Implementations SHOULD ignore JWKs within a JWK Set that use "kty" (key type) values that are
/// not understood by them, that are missing required members, or for which values are out of the supported ranges."
/// So what cannot verify an assertion is passed over; what is no set of public keys at all is refused.
public struct ClientKeySet: Sendable {
    private let members: [Member]
    private let unused: [UnusedKey]
    /// The names (`kid`) of the keys that are passed over.
    private let unusedNames: [String]

    /// A key of the set that cannot verify assertions.
    public struct UnusedKey: Sendable, CustomStringConvertible {
        /// The position of the key in the set, from 1.
        public let place: Int
        /// The reason, in words that repeat nothing of the key.
        public let reason: String

        public var description: String { "Key \(place): \(reason)" }
    }

    /// Checks the text of a JWK Set that is about to be registered for `private_key_jwt`. At least one key
    /// must be for signatures and of a kind that assertions are verified with: RSA of 2048 bits or more,
    /// P-256, P-384, Ed25519. No key may be private, and no two may answer to one name for one algorithm.
    ///
    /// - Returns: the keys that will be passed over, for the operator to read.
    /// - Throws: ``/VaultCore/VaultError/Code/invalidInput`` with the key, by its place, and what is wrong with it.
    @discardableResult
    public static func check(_ text: String) throws(VaultError) -> [UnusedKey] {
        let set = try ClientKeySet(text)
        guard !set.members.isEmpty else {
            // A few are enough to see what is wrong.
            let reasons = set.unused.prefix(4).map { "\($0.description)." }.joined(separator: " ")
            throw KeySetText.invalid("No key of the JWK Set can verify signatures. \(reasons)")
        }
        for (index, one) in set.members.enumerated() {
            guard let other = set.members[..<index].first(where: { $0.isMistaken(for: one) }) else {
                continue
            }
            throw KeySetText.invalid(
                "Keys \(other.place) and \(one.place) of the JWK Set cannot be told apart: give each its own kid."
            )
        }
        return set.unused
    }

    /// - Parameter limit: longest text, in bytes.
    init(_ text: String, limit: Int = Limits.keySetBytes) throws(VaultError) {
        var members: [Member] = []
        var unused: [UnusedKey] = []
        var unusedNames: [String] = []
        for (index, jwk) in try KeySetText.read(text, limit: limit).enumerated() {
            let place = index + 1
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
        named kid: String?, for algorithm: JWSAlgorithm
    ) throws(JWSFault) -> VerificationKey {
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

    /// One key that can verify, with what its owner says it is for.
    private struct Member: Sendable {
        let place: Int
        let kid: String?
        let key: VerificationKey
        /// The algorithms it may be used with; never empty.
        private let algorithms: [JWSAlgorithm]

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
            let fitting = JWSAlgorithm.allCases.filter(key.fits)
            algorithms = fitting.filter { algorithm ?? $0.rawValue == $0.rawValue }
            guard !algorithms.isEmpty else {
                let names = fitting.map(\.rawValue).joined(separator: " or ")
                throw VerificationKey.Unfit(reason: "its alg is not \(names)")
            }
        }

        func isFor(_ wanted: JWSAlgorithm) -> Bool { algorithms.contains(wanted) }

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
