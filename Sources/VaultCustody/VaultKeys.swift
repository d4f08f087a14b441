public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// One key of the vault, or all keys of one kind: for a cryptographic inventory.
public struct KeyInventoryEntry: Sendable {
    /// `root`, `role`, `keyslots`, `handles`, `tags`, `lookup`, `rows`, `log`, `row-set`, `owners` or `id_token`.
    public let purpose: String
    /// `common`, `issuer`, `keeper` or `custody`; nil for a key that belongs to no role.
    public let role: String?
    /// The algorithm, and the length of the key in bits.
    public let algorithm: String
    /// `current` or `retired`.
    public let state: String
    /// The number of keys of this entry.
    public let count: Int64
    /// The epoch of a role's key, or of the key that wraps another key; nil for a key that is wrapped otherwise.
    public let epoch: Int64?
    /// The time the oldest was made.
    public let createdAt: VaultInstant?
}

extension Vault {
    /// The keys of this vault, and the keyslots that open it.
    public var keys: VaultKeys { VaultKeys(vault: self) }
}

/// Lists and rotates the keys of a vault; adds and removes the keyslots that open it.
///
/// ```swift
/// try await vault.keys.addSlot(named: "office", unlockedBy: .keyFile(path: "/mnt/usb/vault.key"))
/// try await vault.keys.rotateRoot()
/// ```
public struct VaultKeys: Sendable {
    package let vault: Vault

    /// Lists every key, without key material.
    ///
    /// - Throws: ``VaultError/Code/denied`` where the vault was opened for one role.
    public func inventory() async throws -> [KeyInventoryEntry] {
        try await vault.scan { database, keys in
            let keyring = keys.keyring
            _ = try keyring.root
            let vault = try VaultRow.read(database, rowKey: keyring.rows)
            var entries: [KeyInventoryEntry] = []
            func add(
                _ purpose: String, of role: KeyRole? = nil,
                _ algorithm: String = "XChaCha20-Poly1305 with BLAKE2b, 256 bits", isCurrent: Bool = true,
                count: Int64 = 1, epoch: Int64? = nil, createdAt: VaultInstant?
            ) {
                entries.append(
                    KeyInventoryEntry(
                        purpose: purpose, role: role.map { "\($0)" }, algorithm: algorithm,
                        state: isCurrent ? "current" : "retired",
                        count: count, epoch: epoch, createdAt: createdAt))
            }
            add("root", epoch: vault.keyEpoch, createdAt: try KeyAges.root(database))
            var roles: [(KeyRole, Int64)] = []
            for row in try database.loadAll(
                RoleKeyRow.self, where: "true ORDER BY role, epoch, id", [], keyring)
            where !roles.contains(where: { $0 == (row.role, row.epoch) }) {
                roles.append((row.role, row.epoch))
                add(
                    "role", of: row.role, isCurrent: row.state == .current, epoch: row.epoch,
                    createdAt: row.createdAt)
            }
            let slots = try StoredKeyslot.all(database, keyring)
            add("keyslots", count: Int64(slots.count), createdAt: slots.map(\.row.createdAt).min())
            for row in try database.loadAll(
                SystemKeyRow.self, where: "true ORDER BY purpose, role, id", [], keyring)
            {
                add(
                    row.purpose.word, of: row.role, row.purpose.algorithm, isCurrent: row.state == .current,
                    epoch: row.epoch,
                    createdAt: row.createdAt)
            }
            try database.forEachRow(
                """
                SELECT k.role, k.epoch, count(*), min(o.created_at) FROM owner_keys k JOIN owners o ON o.id = k.owner_id
                GROUP BY k.role, k.epoch ORDER BY k.role, k.epoch
                """
            ) { row in
                let role = KeyRole(rawValue: row.integer(0))
                let newest = roles.last { $0.0 == role }?.1
                add(
                    "owners", of: role, isCurrent: row.integer(1) == newest, count: row.integer(2),
                    epoch: row.integer(1), createdAt: VaultInstant(millisecondsSince1970: row.integer(3)))
                return true
            }
            let signing = TableLayout.signingKeys
            for row in try database.rows(
                signing.selectSQL + " ORDER BY id", [],
                { try StoredRow(reading: $0, signing, rowKey: keyring.rows) })
            {
                guard case .text(let algorithm) = row["algorithm"], case .integer(let state) = row["state"],
                    case .integer(let created) = row["created_at"]
                else { throw row.isEdited }
                add(
                    "id_token", algorithm, isCurrent: state == KeyState.current.rawValue,
                    createdAt: VaultInstant(millisecondsSince1970: created))
            }
            return entries
        }
    }
}

extension SystemKeyPurpose {
    var word: String {
        switch self {
        case .handles: "handles"
        case .tags: "tags"
        case .lookup: "lookup"
        case .rows: "rows"
        case .logSigning: "log"
        case .rowSet: "row-set"
        }
    }

    fileprivate var algorithm: String {
        switch self {
        case .handles: "XChaCha20-Poly1305, 256 bits"
        case .tags, .lookup, .rows, .rowSet: "keyed BLAKE2b, 256 bits"
        case .logSigning: "Ed25519, 256 bits"
        }
    }
}
