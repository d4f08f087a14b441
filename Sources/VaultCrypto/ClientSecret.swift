package import VaultCore

/// Machine-made client secrets: 256 random bits, so that a keyed tag suffices to check them.
package enum ClientSecret {
    package static let prefix = "tv_cs_"

    /// `tv_cs_` and 43 characters of base64url.
    package static func generate() -> SecretBytes {
        var random = SystemRandom().bytes(32)
        defer { Sodium.wipe(&random) }
        return SecretBytes(Array(prefix.utf8) + Base64URL.encode(random))
    }
}
