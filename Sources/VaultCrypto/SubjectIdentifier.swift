import CSodium
package import VaultCore

/// The name of a user towards clients (`sub`): under no key, so that it survives every rotation of keys. `u_`
/// ‖ base64url(BLAKE2b-128(personal `tv.subject`, vault id ‖ owner id))
package enum SubjectIdentifier {
    /// No client identifier begins with it.
    package static let prefix = "u_"
    private static let personal = Personal("tv.subject")

    package static func of(_ owner: OwnerID, in vault: VaultID) -> String {
        Sodium.require()
        var input = vault.bytes
        input.append(bigEndian: owner.rawValue)
        let hash = unsafe [UInt8](unsafeUninitializedCapacity: 16) { output, initialized in
            guard let base = output.baseAddress else { return }
            unsafe personal.withPointer { personal in
                // Fails only for lengths out of range, and all of them are constants.
                _ = unsafe crypto_generichash_blake2b_salt_personal(
                    base, 16, input, UInt64(input.count), nil, 0, nil, personal)
            }
            initialized = 16
        }
        return prefix + Base64URL.encodeToString(hash)
    }
}
