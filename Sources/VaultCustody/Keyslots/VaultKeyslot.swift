public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// A keyslot as an operator sees it, without its key.
public struct VaultKeyslot: Sendable {
    let slot: StoredKeyslot
    /// Whether this process opened the vault by it.
    public let isOpened: Bool

    /// Unique in the vault; made of kind and number if none was chosen.
    public var name: String { slot.name }
    /// `key-file`, `passphrase`, `credential`, `recovery` or `program`.
    public var kind: String { slot.row.record.kind.word }
    /// The roles that it opens the vault for.
    public var roles: VaultRoles { slot.row.roles }
    /// The identifier that a key program gets, 32 hexadecimal digits.
    public var id: String { Hex.encode(slot.row.record.id) }
    /// Epoch of the root key, or the role's key, inside.
    public var epoch: Int64 { Int64(slot.row.record.epoch) }
    public var createdAt: VaultInstant { slot.row.createdAt }
    /// The last time it was tested; nil if never.
    public var provedAt: VaultInstant? { slot.details?.provedAt }
    /// The identifier of the recovery key that opens it; nil for other kinds.
    public var recoveryKeyID: String? { Keyslot.recoveryKeyID(of: slot.row.record) }
    /// Whether keys can be rotated without this slot's source.
    public var isRotatable: Bool { slot.isRotatable }
}

extension VaultKeys {
    /// Lists the keyslots, oldest first.
    public func slots() async throws -> [VaultKeyslot] {
        try await vault.snapshot { try StoredKeyslot.all($0, $1.keyring).map { $0.shown(vault.unlocker) } }
    }

    /// Whether there is a recovery key.
    public func hasRecoveryKey() async throws -> Bool {
        try await slots().contains { $0.kind == KeyslotKind.recoveryKey.word }
    }
}

extension StoredKeyslot {
    func shown(_ unlocker: Unlocker) -> VaultKeyslot {
        VaultKeyslot(slot: self, isOpened: row.record.id == unlocker.slotID)
    }
}
