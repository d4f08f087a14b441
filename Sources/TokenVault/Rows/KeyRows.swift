import VaultCore
import VaultCrypto

/// One row of `keyslots`: a way to open the vault.
struct KeyslotRow: Sendable {
    let id: Int64
    let record: KeyslotRecord
    let createdAt: VaultInstant
}

/// What a system key is for. The numbers are part of the format.
enum SystemKeyPurpose: Int64, Sendable, CaseIterable {
    case handles = 1
    case tags = 2
    case lookup = 3
    case rows = 4
    case logSigning = 5
}

/// One row of `system_keys`: a key of the vault itself, wrapped by the root key.
struct SystemKeyRow: Sendable {
    enum State: Int64, Sendable {
        case current = 1
        case retired = 2
    }

    let id: Int64
    let purpose: SystemKeyPurpose
    let keyID: Int64
    var state: State
    let epoch: Int64
    let wrapped: [UInt8]
    let createdAt: VaultInstant
}

extension KeyslotRow: TypedRow {
    static let layout = TableLayout.keyslots

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        let slotID = try columns.blob()
        let kind: KeyslotKind = try columns.kind()
        let epoch = try columns.integer()
        record = KeyslotRecord(
            id: slotID, kind: kind, epoch: UInt32(truncatingIfNeeded: epoch), parameters: try columns.blob(),
            wrapped: try columns.blob())
        createdAt = try columns.instant()
    }

    var rowID: Int64 { id }

    var columns: [SQLValue] {
        [
            .blob(record.id), .integer(record.kind.rawValue), .integer(Int64(record.epoch)),
            .blob(record.parameters),
            .blob(record.wrapped), SQLValue(createdAt),
        ]
    }
}

extension SystemKeyRow: TypedRow {
    static let layout = TableLayout.systemKeys

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        purpose = try columns.kind()
        keyID = try columns.integer()
        state = try columns.kind()
        epoch = try columns.integer()
        wrapped = try columns.blob()
        createdAt = try columns.instant()
    }

    var rowID: Int64 { id }

    var columns: [SQLValue] {
        [
            .integer(purpose.rawValue), .integer(keyID), .integer(state.rawValue), .integer(epoch),
            .blob(wrapped),
            SQLValue(createdAt),
        ]
    }
}
