import CSodium
package import VaultCore

/// HMAC with SHA-256 (RFC 2104), for formats of others that ask for it.
package enum HMACSHA256 {
    package static let byteCount = 32

    /// The code over the parts as if they were one.
    ///
    /// - Parameter key: of any length.
    package static func code(of parts: [[UInt8]], key: SecretBytes) -> [UInt8] {
        key.withExposed { key in
            var state = crypto_auth_hmacsha256_state()
            // What is left of the key in there goes with it.
            defer { unsafe sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha256_state>.size) }
            _ = unsafe crypto_auth_hmacsha256_init(&state, key, key.count)
            for part in parts {
                _ = unsafe crypto_auth_hmacsha256_update(&state, part, UInt64(part.count))
            }
            var code = [UInt8](repeating: 0, count: byteCount)
            _ = unsafe crypto_auth_hmacsha256_final(&state, &code)
            return code
        }
    }
}
