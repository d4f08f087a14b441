import VaultCore
import VaultCrypto

/// One row of `retired_roots`: the root key of an earlier epoch, wrapped under the present one.
struct RetiredRootRow: Sendable {
    /// The epoch of the root key inside.
    let id: Int64
    /// Of the root key that wraps it.
    let epoch: Int64
    let wrapped: [UInt8]
    let retiredAt: VaultInstant
}

/// One row of `previous_owner_keys`: the key before an owner's present one, while records are sealed anew.
struct PreviousOwnerKeyRow: Sendable {
    let id: OwnerID
    let keyVersion: Int64
    var keyEpoch: Int64
    var wrappedKey: [UInt8]

    func unwrapped(_ keyring: Keyring) throws -> (version: UInt32, key: GuardedKey) {
        (
            UInt32(truncatingIfNeeded: keyVersion),
            try KeyWrap.unwrap(
                wrappedKey, with: try keyring.root(ofEpoch: keyEpoch),
                epoch: UInt32(truncatingIfNeeded: keyEpoch),
                for: Keyring.wrapContext(keyring.vault, previousKeyOf: id))
        )
    }
}

extension RetiredRootRow: TypedRow {
    static let layout = TableLayout.retiredRoots

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        epoch = try columns.integer()
        wrapped = try columns.blob()
        retiredAt = try columns.instant()
    }

    var rowID: Int64 { id }
    var columns: [SQLValue] { [.integer(epoch), .blob(wrapped), SQLValue(retiredAt)] }
}

extension PreviousOwnerKeyRow: TypedRow {
    static let layout = TableLayout.previousOwnerKeys

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = OwnerID(row.id)
        keyVersion = try columns.integer()
        keyEpoch = try columns.integer()
        wrappedKey = try columns.blob()
    }

    var rowID: Int64 { id.rawValue }
    var columns: [SQLValue] { [.integer(keyVersion), .integer(keyEpoch), .blob(wrappedKey)] }
}
