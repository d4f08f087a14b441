import Foundation
package import VaultCore
package import VaultCrypto
package import VaultStore

/// One row of `keyslots`: a way to open the vault.
package struct KeyslotRow: Sendable {
    package let id: Int64
    package let record: KeyslotRecord
    package let createdAt: VaultInstant

    package init(id: Int64, record: KeyslotRecord, createdAt: VaultInstant) {
        (self.id, self.record, self.createdAt) = (id, record, createdAt)
    }
}

/// What a system key is for. The numbers are part of the format.
package enum SystemKeyPurpose: Int64, Sendable, CaseIterable {
    case handles = 1
    case tags = 2
    case lookup = 3
    case rows = 4
    case logSigning = 5
    case rowSet = 6

    /// The roles that have a key of this purpose each.
    package var roles: [KeyRole] {
        switch self {
        case .handles: [.issuer]
        case .tags: [.issuer, .keeper]
        case .rows: KeyRole.allCases
        case .lookup, .logSigning, .rowSet: [.common]
        }
    }
}

/// Whether a key makes what is made now, or only stays for what it made before.
package enum KeyState: Int64, Sendable {
    case current = 1
    case retired = 2
}

/// One row of `system_keys`: a key of the vault itself, wrapped by the key of its role.
package struct SystemKeyRow: Sendable {
    package let id: Int64
    package let purpose: SystemKeyPurpose
    package let keyID: Int64
    package var state: KeyState
    package let epoch: Int64
    package let wrapped: [UInt8]
    package let createdAt: VaultInstant
    package let role: KeyRole

    package init(
        id: Int64, purpose: SystemKeyPurpose, keyID: Int64, state: KeyState, epoch: Int64, wrapped: [UInt8],
        createdAt: VaultInstant, role: KeyRole
    ) {
        (self.id, self.purpose, self.keyID, self.state, self.epoch, self.wrapped, self.createdAt, self.role) =
            (id, purpose, keyID, state, epoch, wrapped, createdAt, role)
    }
}

extension KeyslotRow: TypedRow {
    package static let layout = TableLayout.keyslots

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        let slotID = try columns.blob()
        let kind: KeyslotKind = try columns.kind()
        let epoch = try columns.integer()
        let (parameters, wrapped) = (try columns.blob(), try columns.blob())
        createdAt = try columns.instant()
        let role: KeyRole = try columns.kind()
        record = KeyslotRecord(
            id: slotID, kind: kind, epoch: UInt32(truncatingIfNeeded: epoch), parameters: parameters,
            wrapped: wrapped, role: VaultRoles(role).number)
    }

    /// The roles that it opens the vault for.
    package var roles: VaultRoles { VaultRoles(slot: record.role) ?? .everything }

    package var columns: [SQLValue] {
        [
            .blob(record.id), .integer(record.kind.rawValue), .integer(Int64(record.epoch)),
            .blob(record.parameters),
            .blob(record.wrapped), SQLValue(createdAt), .integer(Int64(record.role)),
        ]
    }
}

extension SystemKeyRow: TypedRow {
    package static let layout = TableLayout.systemKeys

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        purpose = try columns.kind()
        keyID = try columns.integer()
        state = try columns.kind()
        epoch = try columns.integer()
        wrapped = try columns.blob()
        createdAt = try columns.instant()
        role = try columns.kind()
    }

    package var columns: [SQLValue] {
        [
            .integer(purpose.rawValue), .integer(keyID), .integer(state.rawValue), .integer(epoch),
            .blob(wrapped),
            SQLValue(createdAt), .integer(role.rawValue),
        ]
    }
}

/// One row of `keyslot_details`: what a keyslot is called, and what a rotation needs to wrap it again. A slot
/// that a restore took over has none until a command on keys opens it.
package struct KeyslotDetailsRow: Sendable {
    /// That of the keyslot.
    package let id: Int64
    package var name: String
    /// The key of the slot wrapped under the root key of `epoch`; of a recovery key, which is sealed to again, a digest
    /// of its public half. Only a holder of the root key can write it, so that a process with one role's keys cannot
    /// have a rotation let it in. Nil: it was not opened since a restore.
    package var held: [UInt8]?
    package var epoch: Int64
    package var provedAt: VaultInstant

    package init(id: Int64, name: String, held: [UInt8]? = nil, epoch: Int64, provedAt: VaultInstant) {
        (self.id, self.name, self.held, self.epoch, self.provedAt) = (id, name, held, epoch, provedAt)
    }
}

extension KeyslotDetailsRow: TypedRow {
    package static let layout = TableLayout.keyslotDetails

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        name = try columns.text()
        held = try columns.optionalBlob()
        epoch = try columns.integer()
        provedAt = try columns.instant()
    }

    package var columns: [SQLValue] {
        [.text(name), SQLValue(held), .integer(epoch), SQLValue(provedAt)]
    }
}

extension KeyslotDetailsRow {
    /// Keeps the key of the slot for the next rotation.
    package mutating func hold(
        _ slotKey: GuardedKey, of record: KeyslotRecord, under root: GuardedKey, epoch: UInt32, vault: VaultID
    ) throws {
        let isRecovery = record.kind == .recoveryKey
        self.epoch = Int64(epoch)
        held = KeyWrap.wrap(
            isRecovery ? try Keyslot.heldRecoveryKey(of: record) : slotKey, under: root, epoch: epoch,
            for: Keyring.wrapContext(vault, keyslot: id, record))
    }

    /// What is held of the slot. Nil: nothing.
    ///
    /// - Throws: ``VaultError/Code/integrity`` where kind or role of the slot are not what they were.
    package func heldKey(of record: KeyslotRecord, under root: GuardedKey, vault: VaultID) throws
        -> GuardedKey?
    {
        try held.map {
            try KeyWrap.unwrap(
                $0, with: root, epoch: UInt32(truncatingIfNeeded: epoch),
                for: Keyring.wrapContext(vault, keyslot: id, record))
        }
    }
}

/// One row of `incarnations`: that the vault was restored, and from where its log goes on.
package struct IncarnationRow: Sendable {
    /// Of an ``Incarnation``; the first has no row.
    package let id: Int64
    package let parentSize: Int64
    package let parentRoot: [UInt8]
    package let restoredAt: VaultInstant
    /// Numbers of grants that were given out after the backup, or may have been: none of them is given out again.
    package let lostGrants: Range<Int64>
    /// When the last entry of the backup was written: what was issued from then on was lost.
    package let lostSince: VaultInstant

    package init(
        id: Int64, parentSize: Int64, parentRoot: [UInt8], restoredAt: VaultInstant, lostGrants: Range<Int64>,
        lostSince: VaultInstant
    ) {
        (self.id, self.parentSize, self.parentRoot, self.restoredAt, self.lostGrants, self.lostSince) = (
            id, parentSize, parentRoot, restoredAt, lostGrants, lostSince
        )
    }
}

extension IncarnationRow: TypedRow {
    package static let layout = TableLayout.incarnations

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        parentSize = try columns.integer()
        parentRoot = try columns.blob()
        restoredAt = try columns.instant()
        let (first, end) = (try columns.integer(), try columns.integer())
        lostGrants = first..<max(first, end)
        lostSince = try columns.instant()
    }

    package var columns: [SQLValue] {
        [
            .integer(parentSize), .blob(parentRoot), SQLValue(restoredAt), .integer(lostGrants.lowerBound),
            .integer(lostGrants.upperBound), SQLValue(lostSince),
        ]
    }
}
