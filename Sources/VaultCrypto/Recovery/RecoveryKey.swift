public import VaultCore

/// An X25519 key pair that opens a vault when everything else is lost.
///
/// The vault keeps its public half in a keyslot; the private half lies in a file sealed to a passphrase.
///
/// ```swift
/// let key = try RecoveryKey(file: "/media/safe/recovery", passphrase: passphrase)
/// let vault = try await Vault.open(at: path, unlockedBy: .recoveryKey(key))
/// ```
public struct RecoveryKey: Sendable {
    /// The vault it was made for.
    public let vault: VaultID
    /// 32 bytes.
    public let publicKey: [UInt8]
    let privateKey: GuardedKey

    package init(vault: VaultID, privateKey: GuardedKey) {
        self.vault = vault
        self.privateKey = privateKey
        publicKey = SealedBox.publicKey(of: privateKey)
    }

    /// A new pair.
    package static func generate(for vault: VaultID) throws(VaultError) -> RecoveryKey {
        try Sodium.start()
        return RecoveryKey(vault: vault, privateKey: .random())
    }

    /// What a person calls it by: the first 8 bytes of the public key, in hexadecimal.
    public var id: String { Self.id(of: publicKey) }

    package static func id(of publicKey: [UInt8]) -> String { Hex.encode(publicKey.prefix(8)) }
}
