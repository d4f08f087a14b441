import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

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
            throw VaultError(.integrity, "Not all records were checked; the old keys are kept.")
        }
    }
}

// MARK: - Every wrapped key with the root key

extension Trial {
    /// - Parameter keyring: of the snapshot; only its root key is used, and the roles' keys that it opens here.
    /// - Throws: ``VaultError/Code/integrity`` naming the first row that does not open, or whose tag is wrong.
    static func openKeys(
        of database: Database, _ keyring: Keyring, _ progress: @escaping KeyRotationObserver
    ) throws {
        let layouts = [TableLayout.ownerKeys, .systemKeys]
        var trial = try Trial(database, ["role_keys"] + layouts.map(\.name), progress)
        var current: [RoleKeyRow] = []
        try database.forEachTagged(.roleKeys, keyring.rows) { stored in
            let row = try RoleKeyRow(stored)
            if row.state == .current { current.append(row) }
            trial.step()
        }
        let (root, vault) = (try keyring.root, keyring.vault)
        let present = try RoleKeys(current, openedBy: .root(root), epoch: keyring.epoch, vault: vault)
        // Each of the three leads to the same common key.
        let common = try present.current(.common)
        for row in current {
            let wrapper = try row.wrapper.map(present.current)
            try open("row \(row.id) of role_keys") {
                let key = try row.unwrapped(with: wrapper?.key ?? root, vault)
                guard wrapper.map({ Int64($0.epoch) == row.wrapperEpoch }) ?? true,
                    row.role != .common || key.isEqual(to: common.key)
                else { throw VaultError(.integrity, "") }
            }
        }
        for layout in layouts {
            let isSystem = layout.number == TableLayout.systemKeys.number
            try database.forEachTagged(layout, keyring.rows) { row in
                try open("row \(row.id) of \(layout.name)") {
                    if isSystem {
                        _ = try SystemKeyRow(row).unwrapped(present, vault)
                    } else {
                        _ = try OwnerKeyRow(row).opened(present, vault)
                    }
                }
                trial.step()
            }
        }
        try trial.end()
    }

    private static func open(_ place: String, _ body: () throws -> Void) throws {
        do { try body() } catch {
            throw VaultError(
                .integrity, "The key in \(place) does not open with the new keys; the old ones are kept.",
                remedy: "Rotate the root key again, then verify the audit log.")
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
            // Opening it opens its keys and its pseudonym; what else it has is opened here.
            if row.pseudonym != nil {
                let owner = try Self.owner(row, database, keyring)
                _ = (try owner.identity(keyring), try owner.claims(keyring))
            }
            trial.step()
        }
        func open(
            _ sealed: [UInt8], _ owner: OwnerID, _ role: KeyRole, _ context: AssociatedData, _ place: String
        ) throws {
            guard let row = try database.load(OwnerRow.self, owner.rawValue, keyring)?.row,
                row.pseudonym != nil
            else { return }
            do {
                _ = try SealedField.open(
                    sealed, with: Self.owner(row, database, keyring).key(role), for: context,
                    limit: Limits.sealedReplyBytes)
            } catch {
                throw VaultError(
                    .integrity, "A value in \(place) does not open with the new keys; the old ones are kept.",
                    remedy: "Rotate every key again, then verify the audit log.")
            }
        }
        for table in SealedColumns.all {
            try database.forEachTagged(table.layout, keyring.rows) { stored in
                for field in table.fields {
                    guard case .blob(let sealed) = stored[field.column] else { continue }
                    try open(
                        sealed, table.owner(of: stored), table.layout.role,
                        table.context(field, of: stored, keyring),
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
                record.sealed, record.owner, .common, record.context(keyring),
                "the personal data of entry \(record.name.leaf)")
            trial.step()
            return true
        }
        try trial.end()
    }

    /// With present keys alone.
    private static func owner(_ row: OwnerRow, _ database: Database, _ keyring: Keyring) throws -> Owner {
        try Owner(row, database.ownerKeys(of: row.id, keyring).map(\.current), keyring)
    }
}
