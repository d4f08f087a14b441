import VaultCore
import VaultCrypto

extension Vault {
    /// What a token of ours says, or nil for anything we did not make. Another process may have rotated the
    /// key of handles and issued this token since we read the keys: only a token that names a key we do not
    /// know makes us look, and looking costs as much as looking the grant up would.
    func openHandle(_ token: SecretBytes, as kind: TokenKind) throws -> TokenHandle? {
        let sealer = keyring.handles
        if let handle = sealer.open(token, as: kind) { return handle }
        guard sealer.namesUnknownKey(token, as: kind) else { return nil }
        return try snapshot { _, keys in keys.keyring.handles.open(token, as: kind) }
    }
}
