import Foundation
import VaultCore
import VaultCrypto

/// Whether an id_token carries the nonce of the consent it answers (OpenID Connect Core section 3.1.3.7, rule 11).
///
/// The id_token came straight from the token endpoint over TLS, which rule 6 lets stand for its signature; nothing else
/// of it is believed.
enum IDTokenNonce {
    /// True also where no nonce was sent, or no id_token came: then nothing is claimed.
    static func isEqual(_ nonce: String?, in idToken: SecretBytes?) -> Bool {
        guard let nonce, let idToken else { return true }
        return idToken.withExposed { token in
            let parts = token.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
            guard parts.count == 3, token.count <= 32 * 1024, let payload = Base64URL.decode(Array(parts[1])),
                let claims = try? JSONDecoder().decode(Claims.self, from: Data(payload)),
                let found = claims.nonce
            else { return false }
            return ConstantTime.equal(Array(found.utf8), Array(nonce.utf8))
        }
    }

    private struct Claims: Decodable { let nonce: String? }
}
