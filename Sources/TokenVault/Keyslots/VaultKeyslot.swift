import GRDB
public import VaultCore
import VaultCrypto

/// A keyslot as an operator sees it: everything but what opens it.
public struct VaultKeyslot: Sendable {
    /// Unique in the vault; made of kind and number where nobody chose one.
    public let name: String
    /// `key-file`, `passphrase`, `credential`, `recovery` or `program`.
    public let kind: String
    /// 32 hexadecimal digits; what a key program is told.
    public let id: String
    /// Of the root key inside.
    public let epoch: Int64
    public let createdAt: VaultInstant
    /// The last time it was opened to see whether it opens; nil when that was never noted.
    public let provedAt: VaultInstant?
    /// Which recovery key opens it, as in its file; nil for other kinds.
    public let recoveryKeyID: String?
    /// Whether the root key can be rotated without this slot's source.
    public let isRotatable: Bool
    /// Whether this process opened the vault by it.
    public let isOpened: Bool
}

extension Vault {
    /// Every keyslot, oldest first.
    public func keyslots() throws -> [VaultKeyslot] {
        try snapshot { try StoredKeyslot.all($0, $1.keyring).map { $0.shown(unlocker) } }
    }

    /// Whether there is a way in that is kept for the day when all others are lost.
    public func hasRecoveryKey() throws -> Bool {
        try keyslots().contains { $0.kind == KeyslotKind.recoveryKey.word }
    }
}

/// A keyslot with its details, tags checked.
struct StoredKeyslot {
    let row: KeyslotRow
    let details: KeyslotDetailsRow?

    var name: String { details?.name ?? "\(row.record.kind.word)-\(row.id)" }
    var isRotatable: Bool { row.record.kind == .recoveryKey || details?.held != nil }

    /// Tells the slot from every other that ever was in its place, whatever root key is in it.
    var identity: [UInt8] { row.record.id }

    static func all(_ database: Database, _ keyring: Keyring) throws -> [StoredKeyslot] {
        let details = try database.loadAll(KeyslotDetailsRow.self, where: "1 ORDER BY id", [], keyring)
        return try database.loadAll(KeyslotRow.self, where: "1 ORDER BY id", [], keyring).map { row in
            StoredKeyslot(row: row, details: details.first { $0.id == row.id })
        }
    }

    func shown(_ unlocker: Unlocker) -> VaultKeyslot {
        VaultKeyslot(
            name: name, kind: row.record.kind.word, id: Hex.encode(row.record.id),
            epoch: Int64(row.record.epoch), createdAt: row.createdAt, provedAt: details?.provedAt,
            recoveryKeyID: Keyslot.recoveryKeyID(of: row.record), isRotatable: isRotatable,
            isOpened: row.record.id == unlocker.slotID)
    }
}
