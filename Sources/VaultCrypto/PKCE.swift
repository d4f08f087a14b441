package import VaultCore

/// Proof Key for Code Exchange (RFC 7636), method S256 alone.
package enum PKCE {
    // RFC 7636 section 4.1: code-verifier = 43*128unreserved
    private static let verifierCount = 43...128

    /// The challenge of section 4.2, `BASE64URL(SHA256(verifier))`. Nil if the verifier breaks the grammar of
    /// section 4.1.
    package static func challengeS256(of verifier: SecretBytes) -> String? {
        verifier.withExposed { bytes in
            guard verifierCount.contains(bytes.count), bytes.allSatisfy(isUnreserved) else { return nil }
            return Base64URL.encodeToString(SHA256.hash(bytes).bytes)
        }
    }

    /// Whether `text` can be an S256 challenge: 43 characters, canonical base64url of 32 bytes.
    package static func isChallenge(_ text: String) -> Bool {
        text.utf8.count == 43 && Base64URL.decode(text.utf8) != nil
    }

    // unreserved = ALPHA / DIGIT / "-" / "." / "_" / "~"
    private static func isUnreserved(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "."), UInt8(ascii: "_"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }
}
