package import VaultCore

/// Whose work a key is for. The numbers are part of the format.
package enum KeyRole: Int64, Sendable, CaseIterable {
    /// What every process needs: names, owners, the log, keyslots.
    case common = 0
    /// Hands tokens out: clients, grants, consents, passwords.
    case issuer = 1
    /// Holds tokens of others: providers, connections, webhooks.
    case keeper = 2
    /// Looks after the vault: backups.
    case custody = 3

    /// Those with a key under the root key; each leads to the common key too.
    package static let own: [KeyRole] = [.issuer, .keeper, .custody]
}

extension VaultError {
    /// The error for data under a key that this process does not hold.
    package static func needs(_ role: KeyRole) -> VaultError {
        VaultError(
            .denied, "This needs the \(role)'s keys, and the vault was opened without them.",
            remedy: "Open it with a keyslot for that role or for everything; list the keyslots to find one.")
    }
}
