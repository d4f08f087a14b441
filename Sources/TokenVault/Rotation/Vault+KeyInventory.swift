import GRDB
public import VaultCore
import VaultCrypto

/// One key of the vault, or all keys of one kind: for a cryptographic inventory.
public struct KeyInventoryEntry: Sendable {
    /// `root`, `keyslots`, `handles`, `tags`, `lookup`, `rows`, `log`, `owners` or `id_token`.
    public let purpose: String
    /// What computes with it, and the length of the key in bits.
    public let algorithm: String
    /// `current` or `retired`.
    public let state: String
    /// How many keys this line stands for.
    public let count: Int64
    /// Of the root key that wraps them; nil for what is wrapped otherwise.
    public let epoch: Int64?
    /// Of the oldest.
    public let createdAt: VaultInstant?
}

extension Vault {
    /// Every key there is, without any key.
    public func keyInventory() throws -> [KeyInventoryEntry] {
        try snapshot { database, keys in
            let keyring = keys.keyring
            let vault = try VaultRow.read(database, rowKey: keyring.rows)
            var entries = try database.rootKeys(vault, keyring)
            for row in try database.loadAll(SystemKeyRow.self, where: "1 ORDER BY purpose, id", [], keyring) {
                entries.append(
                    KeyInventoryEntry(
                        purpose: row.purpose.word, algorithm: row.purpose.algorithm,
                        state: row.state == .current ? "current" : "retired", count: 1, epoch: row.epoch,
                        createdAt: row.createdAt))
            }
            try database.forEachRow(
                """
                SELECT key_epoch, count(*), min(created_at) FROM owners WHERE wrapped_key IS NOT NULL
                GROUP BY key_epoch ORDER BY key_epoch
                """
            ) { row in
                entries.append(
                    KeyInventoryEntry(
                        purpose: "owners", algorithm: Self.sealing,
                        state: row.integer(0) == vault.keyEpoch ? "current" : "retired",
                        count: row.integer(1),
                        epoch: row.integer(0),
                        createdAt: VaultInstant(millisecondsSince1970: row.integer(2))))
                return true
            }
            for row in try database.loadAll(SigningKeyRow.self, where: "1 ORDER BY id", [], keyring) {
                entries.append(
                    KeyInventoryEntry(
                        purpose: "id_token", algorithm: row.algorithm.rawValue,
                        state: row.state == .current ? "current" : "retired", count: 1, epoch: nil,
                        createdAt: row.createdAt))
            }
            return entries
        }
    }

    fileprivate static let sealing = "XChaCha20-Poly1305 with BLAKE2b, 256 bits"
}

extension Database {
    fileprivate func rootKeys(_ vault: VaultRow, _ keyring: Keyring) throws -> [KeyInventoryEntry] {
        let retired = try loadAll(RetiredRootRow.self, where: "1 ORDER BY id", [], keyring)
        let slots = try StoredKeyslot.all(self, keyring)
        var entries = retired.map {
            KeyInventoryEntry(
                purpose: "root", algorithm: Vault.sealing, state: "retired", count: 1, epoch: $0.epoch,
                createdAt: nil)
        }
        entries.append(
            KeyInventoryEntry(
                purpose: "root", algorithm: Vault.sealing, state: "current", count: 1, epoch: nil,
                createdAt: retired.last?.retiredAt))
        entries.append(
            KeyInventoryEntry(
                purpose: "keyslots", algorithm: Vault.sealing, state: "current", count: Int64(slots.count),
                epoch: nil, createdAt: slots.map(\.row.createdAt).min()))
        return entries
    }
}

extension SystemKeyPurpose {
    fileprivate var word: String {
        switch self {
        case .handles: "handles"
        case .tags: "tags"
        case .lookup: "lookup"
        case .rows: "rows"
        case .logSigning: "log"
        }
    }

    fileprivate var algorithm: String {
        switch self {
        case .handles: "XChaCha20-Poly1305, 256 bits"
        case .tags, .lookup, .rows: "keyed BLAKE2b, 256 bits"
        case .logSigning: "Ed25519, 256 bits"
        }
    }
}
