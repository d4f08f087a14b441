import VaultCore
import VaultCrypto

/// Whether an id_token may answer the consent that was begun (OpenID Connect Core section 3.1.3.7, rule 11).
/// The id_token came straight from the token endpoint over TLS, which rule 6 lets stand for its signature;
/// nothing else of it is believed.
enum IDTokenNonce {
    /// Whether the id_token shows that the code is of another consent.
    ///
    /// - Parameters:
    ///   - nonce: Nil: none was sent, so nothing is claimed; likewise where no id_token came.
    ///   - isCodeBound: PKCE binds the code to who began the consent (RFC 7636). Then an id_token without a nonce, which
    ///     some providers never put in, shows nothing; otherwise the nonce is all there is against a code of another
    ///     user (RFC 9700 section 2.1.1), and has to be there.
    static func contradicts(_ nonce: String?, _ idToken: SecretBytes?, isCodeBound: Bool) -> Bool {
        guard let nonce, let idToken else { return false }
        switch claim(in: idToken) {
        case nil: return !isCodeBound
        case .string(let found)?: return !ConstantTime.equal(found, Array(nonce.utf8))
        // Two of them, or something that was never sent.
        default: return true
        }
    }

    /// Nil also where the id_token is not one that can be read, such as an encrypted one.
    private static func claim(in idToken: SecretBytes) -> JSONValue? {
        idToken.withExposed { token in
            let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard parts.count == 3, let payload = Base64URL.decode(Array(parts[1])) else { return nil }
            return JSONReader.read(payload, isStrict: false)?.value(at: "nonce")
        }
    }
}
