import Foundation
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
    case rowSet = 6
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

    var columns: [SQLValue] {
        [
            .integer(purpose.rawValue), .integer(keyID), .integer(state.rawValue), .integer(epoch),
            .blob(wrapped),
            SQLValue(createdAt),
        ]
    }
}

/// One row of `keyslot_details`: what a keyslot is called, and what a rotation needs to wrap it again. A slot
/// of an older vault has none until someone opens it for a command on keys.
struct KeyslotDetailsRow: Sendable {
    /// That of the keyslot.
    let id: Int64
    var name: String
    /// The key of the slot wrapped under the root key of `epoch`. Nil for a recovery key, which is sealed to
    /// again.
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

    var columns: [SQLValue] {
        [.text(name), SQLValue(held), .integer(epoch), SQLValue(provedAt)]
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

/// One row of `retired_roots`: the root key of an earlier epoch, wrapped under the present one.
struct RetiredRootRow: Sendable {
    /// The epoch of the root key inside.
    let id: Int64
    /// Of the root key that wraps it.
    let epoch: Int64
    let wrapped: [UInt8]
    let retiredAt: VaultInstant
}

/// One row of `previous_owner_keys`: the key before an owner's present one, while records are sealed again.
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

    var columns: [SQLValue] { [.integer(keyVersion), .integer(keyEpoch), .blob(wrappedKey)] }
}

/// One row of `incarnations`: that the vault was restored, and from where its log goes on.
struct IncarnationRow: Sendable {
    /// Of an ``Incarnation``; the first has no row.
    let id: Int64
    let parentSize: Int64
    let parentRoot: [UInt8]
    let restoredAt: VaultInstant
    /// Numbers of grants that were given out after the backup, or may have been: none of them is given out again.
    let lostGrants: Range<Int64>
    /// When the last entry of the backup was written: what was issued from then on was lost.
    let lostSince: VaultInstant
}

extension BackupRecord: TypedRow {
    static let layout = TableLayout.backups

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        guard let backup = BackupID(bytes: try columns.blob()) else {
            throw VaultError(.integrity, "A backup's identifier has the wrong length.")
        }
        self.backup = backup
        logSize = try columns.integer()
        createdAt = try columns.instant()
        keepUntil = try columns.optionalInstant()
    }

    var columns: [SQLValue] {
        [.blob(backup.bytes), .integer(logSize), SQLValue(createdAt), SQLValue(keepUntil)]
    }
}

extension IncarnationRow: TypedRow {
    static let layout = TableLayout.incarnations

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        parentSize = try columns.integer()
        parentRoot = try columns.blob()
        restoredAt = try columns.instant()
        let (first, end) = (try columns.integer(), try columns.integer())
        lostGrants = first..<max(first, end)
        lostSince = try columns.instant()
    }

    var columns: [SQLValue] {
        [
            .integer(parentSize), .blob(parentRoot), SQLValue(restoredAt), .integer(lostGrants.lowerBound),
            .integer(lostGrants.upperBound), SQLValue(lostSince),
        ]
    }
}

/// One row of `anchors`: a place outside the file that is told of new checkpoints.
struct AnchorRow: Sendable {
    let id: Int64
    let kind: AnchorKind
    /// A path: of the file or the program; a witness's URL.
    let target: String
    /// Where the vault was when the anchor was added: a copy elsewhere tells nobody.
    let vaultPath: String
    /// Of a witness: its verifier key, and the file for what it cosigned.
    var witnessKey: String?
    var keptAt: String?
    let createdAt: VaultInstant
}

extension AnchorRow: TypedRow {
    static let layout = TableLayout.anchors

    private struct Parameters: Codable {
        let vault: String
        let key: String?
        let keep: String?
    }

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        guard let kind = AnchorKind(rawValue: try columns.text()) else { throw Self.unknown(row.id) }
        self.kind = kind
        target = try columns.text()
        guard
            let parameters = try? JSONDecoder().decode(Parameters.self, from: Data(try columns.text().utf8))
        else { throw Self.unknown(row.id) }
        vaultPath = parameters.vault
        witnessKey = parameters.key
        keptAt = parameters.keep
        createdAt = try columns.instant()
    }

    var columns: [SQLValue] {
        [.text(kind.rawValue), .text(target), .text(parameters), SQLValue(createdAt)]
    }

    private var parameters: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        let data = try? encoder.encode(Parameters(vault: vaultPath, key: witnessKey, keep: keptAt))
        return String(decoding: data ?? Data(), as: UTF8.self)
    }

    private static func unknown(_ id: Int64) -> VaultError {
        VaultError(
            .integrity, "Anchor \(id) is of no kind that this version knows.",
            remedy: "Was it added by a newer tokenvault? Use that version.")
    }
}
