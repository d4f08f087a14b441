import GRDB
import VaultCore
import VaultCrypto

/// Opens everything with present keys alone, in one snapshot: what must succeed before the keys before them are
/// destroyed.
struct Trial {
    private let total: Int64
    private let progress: KeyRotationObserver
    private var done: Int64 = 0

    private init(_ database: Database, _ tables: [String], _ progress: @escaping KeyRotationObserver) throws {
        total = try tables.reduce(0) { try $0 + database.rowCount($1) }
        self.progress = progress
    }

    private mutating func step() {
        done += 1
        guard done.isMultiple(of: 4096) || done == total else { return }
        progress(KeyRotationProgress(phase: "proof", done: done, total: total))
    }

    private func end() throws {
        guard done == total else {
            throw VaultError(.integrity, "Fewer records were seen than there are; the old keys are kept.")
        }
    }
}

// MARK: - Every wrapped key with the root key

extension Trial {
    /// - Parameter keyring: any of the snapshot; only its root key is used.
    /// - Throws: ``VaultError/Code/integrity`` naming the first row that does not open, or whose tag is wrong.
    static func openKeys(
        of database: Database, _ keyring: Keyring, _ progress: @escaping KeyRotationObserver
    ) throws {
        let layouts = [TableLayout.owners, .previousOwnerKeys, .systemKeys]
        var trial = try Trial(database, layouts.map(\.name), progress)
        for layout in layouts {
            let isSystem = layout.number == TableLayout.systemKeys.number
            try database.forEachTagged(layout, keyring.rows) { row in
                let wrapped = row[isSystem ? "wrapped" : "wrapped_key"]
                // An erased owner has none.
                if wrapped != .null || layout.number != TableLayout.owners.number {
                    let epoch = row[isSystem ? "epoch" : "key_epoch"]
                    try open(wrapped, epoch == .integer(Int64(keyring.epoch)), row, keyring)
                }
                trial.step()
            }
        }
        try trial.end()
    }

    private static func open(
        _ key: SQLValue, _ isOfEpoch: Bool, _ row: StoredRow, _ keyring: Keyring
    ) throws {
        let context =
            switch row.layout.number {
            case TableLayout.owners.number: Keyring.wrapContext(keyring.vault, owner: OwnerID(row.id))
            case TableLayout.systemKeys.number: Keyring.wrapContext(keyring.vault, systemKey: row.id)
            default: Keyring.wrapContext(keyring.vault, previousKeyOf: OwnerID(row.id))
            }
        do {
            guard isOfEpoch, case .blob(let wrapped) = key else { throw VaultError(.integrity, "") }
            _ = try KeyWrap.unwrap(wrapped, with: keyring.root, epoch: keyring.epoch, for: context)
        } catch {
            throw VaultError(
                .integrity,
                "The key in row \(row.id) of \(row.layout.name) does not open with the new root key; the old one is kept.",
                remedy: "Run 'tokenvault key rotate root' again, then 'tokenvault audit verify'.")
        }
    }
}

// MARK: - Every sealed value with the keys of owners

extension Trial {
    /// - Throws: ``VaultError/Code/integrity`` naming the first value that does not open.
    static func openRecords(
        of database: Database, _ keyring: Keyring, _ progress: @escaping KeyRotationObserver
    ) throws {
        let tables = SealedColumns.all.map(\.layout.name)
        var trial = try Trial(database, ["owners", "audit_personal"] + tables, progress)
        // One key at a time: the owners of a large vault do not fit in guarded memory together.
        try database.forEachTagged(.owners, keyring.rows) { stored in
            let row = try OwnerRow(stored)
            // Opening it opens its key and its pseudonym; what else it has is opened here.
            if row.wrappedKey != nil {
                let owner = try Owner(row, keyring: keyring)
                _ = (try owner.identity(keyring), try owner.claims(keyring))
            }
            trial.step()
        }
        func open(_ sealed: [UInt8], _ owner: OwnerID, _ context: AssociatedData, _ place: String) throws {
            guard let row = try database.load(OwnerRow.self, owner.rawValue, keyring)?.row,
                row.wrappedKey != nil
            else { return }
            do {
                _ = try SealedField.open(
                    sealed, with: Owner(row, keyring: keyring).key, for: context,
                    limit: Limits.sealedReplyBytes)
            } catch {
                throw VaultError(
                    .integrity, "A value in \(place) does not open with the new keys; the old ones are kept.",
                    remedy: "Run 'tokenvault key rotate --deep' again, then 'tokenvault audit verify'.")
            }
        }
        for table in SealedColumns.all {
            try database.forEachTagged(table.layout, keyring.rows) { stored in
                for field in table.fields {
                    guard case .blob(let sealed) = stored[field.column] else { continue }
                    try open(
                        sealed, table.owner(of: stored), table.context(field, of: stored, keyring),
                        "row \(stored.id) of \(table.layout.name)")
                }
                trial.step()
            }
        }
        try database.forEachRow(PersonalRecord.selectSQL + " ORDER BY id, part") { cursor in
            guard let record = PersonalRecord(cursor) else {
                throw VaultError(.integrity, "An entry is damaged.")
            }
            try open(
                record.sealed, record.owner, record.context(keyring),
                "the personal data of entry \(record.name.leaf)")
            trial.step()
            return true
        }
        try trial.end()
    }
}
