import Crypto
package import TokenVault
package import VaultCore

/// `at_hash`: the left half of the hash of an access token (OpenID Connect Core section 3.1.3.6).
package enum AccessTokenHash {
    /// Base64url, without padding, of the left half of the hash that `algorithm` uses.
    package static func of(_ accessToken: SecretBytes, _ algorithm: SigningAlgorithm) -> String {
        accessToken.withExposed { octets in
            let half =
                switch algorithm {
                case .rs256, .es256: Array(SHA256.hash(data: octets).prefix(16))
                // Ed25519 hashes with SHA-512 inside; that is the hash the deployed libraries take.
                case .edDSA: Array(SHA512.hash(data: octets).prefix(32))
                }
            return String(decoding: Base64URL.encode(half), as: UTF8.self)
        }
    }
}
