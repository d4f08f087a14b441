import CSodium
package import VaultCore

/// What a person's password is checked against: Argon2id (RFC 9106) with its cost and salt, 57 bytes.
///
/// ```
/// 0 25  parameters, as those of a passphrase keyslot      25 32  Argon2id(password, parameters)
/// ```
///
/// A cost below the floor or above the ceiling is refused before hashing. How many hash at one time is up to the caller.
package struct PasswordVerifier: Sendable {
    package static let byteCount = PassphraseParameters.byteCount + GuardedKey.byteCount
    package let bytes: [UInt8]
    private let parameters: PassphraseParameters

    /// Hashes `password`, 1 to 1024 bytes, with a new salt. Blocks the calling thread for a fifth of a
    /// second. `.unavailable` if the memory is not to be had.
    package init(hashing password: SecretBytes) throws(VaultError) {
        parameters = PassphraseParameters(salt: SystemRandom().bytes(16))
        bytes = parameters.bytes + Self.copy(try parameters.derive(from: password))
    }

    /// Nil for what ``init(hashing:)`` would not have made.
    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount,
            let parameters = PassphraseParameters(
                bytes: Array(bytes.prefix(PassphraseParameters.byteCount)))
        else { return nil }
        self.bytes = bytes
        self.parameters = parameters
    }

    /// One that nothing matches, at the usual cost: so that an unknown user takes as long as a known one.
    package static func decoy() -> PasswordVerifier {
        let random = SystemRandom()
        return PasswordVerifier(
            decoy: PassphraseParameters(salt: random.bytes(16)), hash: random.bytes(GuardedKey.byteCount))
    }

    private init(decoy parameters: PassphraseParameters, hash: [UInt8]) {
        self.parameters = parameters
        bytes = parameters.bytes + hash
    }

    /// Whether this is the password, in constant time; one of a length no password has costs the same.
    package func matches(_ password: SecretBytes) throws(VaultError) -> Bool {
        let hasLength = password.withExposed { PassphraseParameters.passphraseBytes.contains($0.count) }
        let key = try parameters.derive(from: hasLength ? password : SecretBytes([0]))
        let isEqual = ConstantTime.equal(
            Self.copy(key), Array(bytes.suffix(GuardedKey.byteCount)))
        return isEqual && hasLength
    }

    private static func copy(_ key: GuardedKey) -> [UInt8] {
        unsafe key.withBytes { unsafe Array($0) }
    }
}
