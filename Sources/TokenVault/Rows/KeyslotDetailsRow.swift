import VaultCore
import VaultCrypto

/// One row of `keyslot_details`: what a keyslot is called, and what a rotation needs to wrap it anew. A slot
/// of an older vault has none until somebody opens it for a command on keys.
struct KeyslotDetailsRow: Sendable {
    /// That of the keyslot.
    let id: Int64
    var name: String
    /// The key of the slot wrapped under the root key of `epoch`. Nil for a recovery key, which is sealed to
    /// anew.
    var held: [UInt8]?
    var epoch: Int64
    var provedAt: VaultInstant
}

extension KeyslotDetailsRow: TypedRow {
    static let layout = TableLayout.keyslotDetails

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        name = try columns.text()
        held = try columns.optionalBlob()
        epoch = try columns.integer()
        provedAt = try columns.instant()
    }

    var rowID: Int64 { id }

    var columns: [SQLValue] {
        [.text(name), SQLValue(held), .integer(epoch), SQLValue(provedAt)]
    }
}

extension Keyring {
    /// Where the key of a keyslot is held.
    static func wrapContext(_ vault: VaultID, keyslot row: Int64) -> AssociatedData {
        AssociatedData(
            domain: SealedTable.wrapDomain, vault: vault, owner: .system,
            table: TableLayout.keyslotDetails.number, column: KeyslotDetailsRow.columnNumber("held"),
            row: row, generation: 0)
    }
}

extension KeyslotDetailsRow {
    /// The details of a slot that was just opened by `slotKey`.
    init(
        id: Int64, name: String, record: KeyslotRecord, slotKey: GuardedKey, root: GuardedKey, vault: VaultID,
        now: VaultInstant
    ) {
        self.id = id
        self.name = name
        epoch = Int64(record.epoch)
        provedAt = now
        hold(slotKey, of: record.kind, under: root, epoch: record.epoch, vault: vault)
    }

    /// Keeps the key of the slot for the next rotation.
    mutating func hold(
        _ slotKey: GuardedKey, of kind: KeyslotKind, under root: GuardedKey, epoch: UInt32, vault: VaultID
    ) {
        self.epoch = Int64(epoch)
        held =
            kind == .recoveryKey
            ? nil
            : KeyWrap.wrap(
                slotKey, under: root, epoch: epoch, for: Keyring.wrapContext(vault, keyslot: id))
    }
}
