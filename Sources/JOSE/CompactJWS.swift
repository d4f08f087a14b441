package import VaultCore

/// Why a JWS is not believed.
package enum JWSFault: Error {
    case malformed
    case algorithm
    /// No key has that name, or more than one could be meant.
    case unknownKey
    /// The key is in the set and verifies nothing, or no key of the set does.
    case unusableKey
    case signature
}

/// A JWS in compact serialization (RFC 7515 section 7.1), taken apart and not yet believed.
package struct CompactJWS: Sendable {
    /// An assertion has some hundred bytes; certificates in its header, which we ignore, make it a few thousand.
    static let limit = 16 * 1024

    package let header: JSONValue
    package let payload: JSONValue
    private let signature: [UInt8]
    /// What was signed: the first two parts as they came.
    private let signingInput: [UInt8]

    /// Refuses what has a second spelling, and what is not an object in an object's place.
    package init(_ text: SecretBytes) throws(JWSFault) {
        self = try text.withExposed { text throws(JWSFault) in try CompactJWS(octets: text) }
    }

    private init(octets text: [UInt8]) throws(JWSFault) {
        guard text.count <= Self.limit else { throw .malformed }
        guard let parts = Self.parts(of: text),
            let header = Base64URL.decode(parts[0]).flatMap({ JSONReader.read($0, isStrict: true) }),
            let payload = Base64URL.decode(parts[1]).flatMap({ JSONReader.read($0, isStrict: true) }),
            let signature = Base64URL.decode(parts[2]), header.isObject, payload.isObject
        else { throw .malformed }
        self.header = header
        self.payload = payload
        self.signature = signature
        signingInput = Array(text[..<parts[1].endIndex])
    }

    /// Checks what does not depend on claims: the algorithm, the header, and the signature by the one key of `keySet`
    /// that the header means. `jwk`, `jku` and `x5c` in the header are not looked at.
    ///
    /// - Parameter types: what `typ` may be, in small letters: RFC 8725 section 3.11 warns of JWTs made for something
    ///   else.
    package func verify(with keySet: String, types: [String]) async throws(JWSFault) {
        guard let name = header["alg"]?.string else { throw .malformed }
        guard let algorithm = JWSAlgorithm(rawValue: name) else { throw .algorithm }
        // RFC 7515 section 4.1.11: extensions in `crit` must be understood, and we understand none.
        guard header["crit"] == nil else { throw .malformed }
        if let type = header["typ"] {
            guard let text = type.string?.lowercased(), types.contains(text) else { throw .malformed }
        }
        let kid = header["kid"]
        guard kid == nil || kid?.string != nil else { throw .malformed }
        let keys: ClientKeySet
        do { keys = try ClientKeySet(keySet, limit: Limits.fetchedKeySetBytes) } catch { throw .unusableKey }
        let key = try keys.key(named: kid?.string, for: algorithm)
        guard await key.verifies(signature, over: signingInput, by: algorithm) else { throw .signature }
    }

    /// The claims of a token that came from its issuer over TLS and is not verified, read as leniently as the reply it
    /// was in. Nil for one that cannot be read, such as an encrypted one.
    package static func unverifiedClaims(of text: SecretBytes) -> JSONValue? {
        text.withExposed { text in
            parts(of: text).flatMap { Base64URL.decode($0[1]) }.flatMap {
                JSONReader.read($0, isStrict: false)
            }
        }
    }

    private static func parts(of text: [UInt8]) -> [ArraySlice<UInt8>]? {
        let parts = text.split(
            separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        return parts.count == 3 ? parts : nil
    }
}

extension String {
    /// Octets, not `==`: that takes two spellings of one character for equal.
    package func hasSameOctets(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }
}
