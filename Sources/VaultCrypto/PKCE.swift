package import VaultCore

/// Proof Key for Code Exchange (RFC 7636), method S256 alone.
package enum PKCE {
    // RFC 7636 section 4.1: code-verifier = 43*128unreserved
    private static let verifierCount = 43...128

    /// A verifier of 32 random bytes, as section 4.1 recommends.
    package static func newVerifier() -> SecretBytes {
        SecretBytes(Base64URL.encode(SystemRandom().bytes(32)))
    }

    /// The challenge of section 4.2, `BASE64URL(SHA256(verifier))`. Nil if the verifier breaks the grammar of
    /// section 4.1.
    package static func challengeS256(of verifier: SecretBytes) -> String? {
        verifier.withExposed { bytes in
            guard verifierCount.contains(bytes.count), bytes.allSatisfy(FormCoding.isUnreserved) else {
                return nil
            }
            return Base64URL.encodeToString(SHA256.hash(bytes).bytes)
        }
    }

    /// Whether `text` can be an S256 challenge: 43 characters, canonical base64url of 32 bytes.
    package static func isChallenge(_ text: String) -> Bool {
        text.utf8.count == 43 && Base64URL.decode(text.utf8) != nil
    }
}
