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
            var entries: [KeyInventoryEntry] = []
            func add(
                _ purpose: String, _ algorithm: String = "XChaCha20-Poly1305 with BLAKE2b, 256 bits",
                isCurrent: Bool = true, count: Int64 = 1, epoch: Int64? = nil, createdAt: VaultInstant?
            ) {
                entries.append(
                    KeyInventoryEntry(
                        purpose: purpose, algorithm: algorithm, state: isCurrent ? "current" : "retired",
                        count: count, epoch: epoch, createdAt: createdAt))
            }
            let roots = try database.loadAll(RetiredRootRow.self, where: "1 ORDER BY id", [], keyring)
            for row in roots { add("root", isCurrent: false, epoch: row.epoch, createdAt: nil) }
            add("root", createdAt: roots.last?.retiredAt)
            let slots = try StoredKeyslot.all(database, keyring)
            add("keyslots", count: Int64(slots.count), createdAt: slots.map(\.row.createdAt).min())
            for row in try database.loadAll(SystemKeyRow.self, where: "1 ORDER BY purpose, id", [], keyring) {
                add(
                    row.purpose.word, row.purpose.algorithm, isCurrent: row.state == .current,
                    epoch: row.epoch,
                    createdAt: row.createdAt)
            }
            try database.forEachRow(
                """
                SELECT key_epoch, count(*), min(created_at) FROM owners WHERE wrapped_key IS NOT NULL
                GROUP BY key_epoch ORDER BY key_epoch
                """
            ) { row in
                add(
                    "owners", isCurrent: row.integer(0) == vault.keyEpoch, count: row.integer(1),
                    epoch: row.integer(0), createdAt: VaultInstant(millisecondsSince1970: row.integer(2)))
                return true
            }
            for row in try database.loadAll(SigningKeyRow.self, where: "1 ORDER BY id", [], keyring) {
                add(
                    "id_token", row.algorithm.rawValue, isCurrent: row.state == .current,
                    createdAt: row.createdAt)
            }
            return entries
        }
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
