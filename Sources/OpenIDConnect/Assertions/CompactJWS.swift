import TokenIssuer
import VaultCore

/// A JWS in compact serialization (RFC 7515 section 7.1), taken apart and not yet believed.
struct CompactJWS: Sendable {
    /// An assertion has some hundred bytes; certificates in its header, which we ignore, make it a few thousand.
    static let limit = 16 * 1024

    let header: JSONValue
    let payload: JSONValue
    let signature: [UInt8]
    /// What was signed: the first two parts as they came.
    let signingInput: [UInt8]

    /// Refuses what has a second spelling, and what is not an object in an object's place.
    init(_ text: SecretBytes) throws(ClientAssertionRefusal) {
        self = try text.withExposed { text throws(ClientAssertionRefusal) in try CompactJWS(octets: text) }
    }

    private init(octets text: [UInt8]) throws(ClientAssertionRefusal) {
        guard text.count <= Self.limit else { throw .malformed }
        let parts = text.split(
            separator: UInt8(ascii: "."), maxSplits: 3, omittingEmptySubsequences: false)
        guard parts.count == 3,
            let header = Base64URL.decode(parts[0]).flatMap({ JSONReader.read($0, isStrict: true) }),
            let payload = Base64URL.decode(parts[1]).flatMap({ JSONReader.read($0, isStrict: true) }),
            let signature = Base64URL.decode(parts[2]), header.isObject, payload.isObject
        else { throw .malformed }
        self.header = header
        self.payload = payload
        self.signature = signature
        signingInput = Array(text[..<parts[1].endIndex])
    }
}
