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

/// Finds the keyslot that a source opens.
enum Unlocking {
    private static let locked = VaultError(.locked, "")

    /// The root key, and what opens it again in this process.
    ///
    /// - Throws: ``VaultError/Code/locked`` naming the slots there are; what the source itself met.
    static func unlock(
        _ database: Database, vault: VaultRow, _ source: KeySource
    ) throws -> (root: GuardedKey, unlocker: Unlocker) {
        try unlock(database, vault.id, epoch: UInt32(truncatingIfNeeded: vault.keyEpoch), source)
    }

    static func unlock(
        _ database: Database, _ vault: VaultID, epoch: UInt32, _ source: KeySource
    ) throws -> (root: GuardedKey, unlocker: Unlocker) {
        var tried: [String] = []
        var refusal: VaultError?
        var opened: (root: GuardedKey, unlocker: Unlocker)?
        try forEachSlot(
            database, unknown: { tried.append("one of kind \($0), which this version cannot open") }
        ) { row, record in
            tried.append("\(record.kind.noun) \(Hex.encode(record.id.prefix(4)))")
            guard record.epoch == epoch, Keyslot.accepts(source, record) else { return true }
            do {
                let slot = try Keyslot.unlock(record, with: source, vault: vault)
                opened = (slot.root, Unlocker(row: row, record, slot.slotKey, source))
                return false
            } catch let error as VaultError where error == Self.locked {
                // A program says more than that a key does not fit.
                if case .program = source { refusal = error }
                return true
            }
        }
        if let opened { return opened }
        if let refusal { throw refusal }
        throw VaultError(
            .locked,
            "What was given does not open vault \(vault); its keyslots are: "
                + tried.joined(separator: ", ") + "." + Self.addition(source, vault),
            remedy: "Give the key file or passphrase of one of these slots (--key-file, --passphrase-file).")
    }

    /// Rows of `keyslots` as far as this version understands them, until `body` says false.
    ///
    /// - Parameter unknown: called with a kind of slot that this version does not know.
    static func forEachSlot(
        _ database: Database, unknown: (Int64) -> Void = { _ in },
        _ body: (Int64, KeyslotRecord) throws -> Bool
    ) throws {
        try database.forEachRow(
            "SELECT id, slot_id, kind, epoch, parameters, wrapped FROM keyslots ORDER BY id LIMIT 64"
        ) { row in
            guard let record = KeyslotRecord(row) else {
                if KeyslotKind(rawValue: row.integer(2)) == nil { unknown(row.integer(2)) }
                return true
            }
            return try body(row.integer(0), record)
        }
    }

    private static func addition(_ source: KeySource, _ vault: VaultID) -> String {
        guard case .recoveryKey(let key) = source else { return "" }
        return key.vault == vault
            ? " Recovery key \(key.id) is none of them." : " Recovery key \(key.id) is of vault \(key.vault)."
    }
}

/// What this process opens the vault by again when another process has changed the root key. That is the key
/// of its keyslot, which outlives a change of the root key: a passphrase is forgotten once it opened the
/// vault, and nobody has to keep a key file or a token plugged in for the sake of rotations.
final class Unlocker: Sendable {
    /// Of the row in `keyslots`.
    let row: Int64
    let slotID: [UInt8]
    let kind: KeyslotKind
    let slotKey: GuardedKey
    /// For when the slot was replaced; nil for what is better forgotten.
    private let source: KeySource?

    init(row: Int64, _ record: KeyslotRecord, _ slotKey: GuardedKey, _ source: KeySource) {
        self.row = row
        slotID = record.id
        kind = record.kind
        self.slotKey = slotKey
        self.source =
            switch source {
            case .passphrase: nil
            case .keyFile, .systemdCredential, .heldKey, .recoveryKey, .program: source
            }
    }

    /// Of a vault whose root key was at hand: nothing opens it again after someone else rotates that.
    init(root: GuardedKey) {
        row = 0
        slotID = []
        kind = .keyFile
        slotKey = root
        source = nil
    }

    /// The root key of the epoch that `vault` names. Blocks as long as the source takes when its slot was
    /// replaced.
    ///
    /// - Throws: ``VaultError/Code/locked`` when the slot is gone, and nothing else is at hand or fits.
    func root(_ database: Database, vault: VaultRow) throws -> GuardedKey {
        try root(database, vault.id, epoch: UInt32(truncatingIfNeeded: vault.keyEpoch))
    }

    func root(_ database: Database, _ vault: VaultID, epoch: UInt32) throws -> GuardedKey {
        var root: GuardedKey?
        try Unlocking.forEachSlot(database) { _, record in
            guard record.id == slotID, record.epoch == epoch else { return true }
            root = try? Keyslot.open(record, slotKey: slotKey, vault: vault)
            return false
        }
        if let root { return root }
        guard let source else {
            throw VaultError(
                .locked, "The keyslot by which this process opened the vault is gone.",
                remedy: "Start it again with a key that opens the vault now.")
        }
        return try Unlocking.unlock(database, vault, epoch: epoch, source).root
    }
}

extension KeyslotRecord {
    /// From the columns after `id`; nil for a kind that this version does not know.
    fileprivate init?(_ row: RowCursor) {
        guard case .blob(let id) = row.value(1), let kind = KeyslotKind(rawValue: row.integer(2)),
            let epoch = UInt32(exactly: row.integer(3)), case .blob(let parameters) = row.value(4),
            case .blob(let wrapped) = row.value(5)
        else { return nil }
        self.init(id: id, kind: kind, epoch: epoch, parameters: parameters, wrapped: wrapped)
    }
}
