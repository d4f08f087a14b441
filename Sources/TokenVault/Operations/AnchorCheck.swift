import VaultCore
import VaultStore

/// Stands for the anchors of a vault, which hold its newest checkpoint outside its file. `LogAnchors` of the module `VaultAudit`
/// is one.
public protocol AnchorCheck: Sendable {
    /// Compares the log with the anchors' checkpoints. Called before an opened vault is returned; blocks.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when the log is behind an anchor's checkpoint, or has forked from it.
    func requireAgreement(of vault: Vault) throws

    /// Tells the anchors of the newest checkpoint, as the last thing before the vault closes.
    func vaultWillClose(_ vault: Vault) async
}

extension Vault {
    /// - Throws: ``VaultError/Code/integrity`` as ``AnchorCheck/requireAgreement(of:)``; ``VaultError/Code/unavailable`` where
    ///   there are anchors and nothing to compare them with.
    func checkAnchors() throws {
        if let anchorCheck { return try anchorCheck.requireAgreement(of: self) }
        guard try store.reader.read({ try $0.finds("SELECT 1 FROM anchors LIMIT 1") }) else { return }
        throw VaultError(
            .unavailable, "The vault has anchors, and this program does not compare it with them.",
            remedy: "Set the anchors of the vault's configuration to LogAnchors(), or ignore them on purpose."
        )
    }
}
