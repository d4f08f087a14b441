import GRDB
import VaultCore
import VaultCrypto

/// Opens every sealed value with the present keys of owners alone, in one snapshot: what must succeed before the keys
/// before them are destroyed.
struct TrialOpening {
    private let database: Database
    private let keyring: Keyring

    init(_ database: Database, _ keyring: Keyring) {
        self.database = database
        self.keyring = keyring
    }

    /// - Throws: ``VaultError/Code/integrity`` naming the first value that does not open.
    func run(_ progress: KeyRotationObserver) throws {
        let tables = ["owners", "audit_personal"] + SealedColumns.all.map(\.layout.name)
        let total = try tables.reduce(0) { try $0 + database.rowCount($1) }
        var done: Int64 = 0
        func step() {
            done += 1
            guard done.isMultiple(of: 4096) || done == total else { return }
            progress(KeyRotationProgress(phase: "proof", done: done, total: total))
        }
        // One key at a time: the owners of a large vault do not fit in guarded memory together.
        try database.forEachTagged(.owners, keyring.rows) { stored in
            let row = try OwnerRow(stored)
            // Opening it opens its key and its pseudonym; its identity is opened here.
            if row.wrappedKey != nil { _ = try Owner(row, keyring: keyring).identity(keyring) }
            step()
        }
        for table in SealedColumns.all {
            try database.forEachTagged(table.layout, keyring.rows) { stored in
                for field in table.fields {
                    guard case .blob(let sealed) = stored[field.column] else { continue }
                    try open(
                        sealed, table.owner(of: stored), table.context(field, of: stored, keyring),
                        "row \(stored.id) of \(table.layout.name)")
                }
                step()
            }
        }
        try database.forEachRow("SELECT id, owner_id, sealed FROM audit_personal ORDER BY id") { cursor in
            guard let record = PersonalRecord(cursor) else {
                throw VaultError(.integrity, "An entry is damaged.")
            }
            try open(
                record.sealed, record.owner, record.context(keyring),
                "the personal data of entry \(record.leaf)")
            step()
            return true
        }
        guard done == total else {
            throw VaultError(.integrity, "Fewer records were seen than there are; the old keys are kept.")
        }
    }

    private func open(_ sealed: [UInt8], _ owner: OwnerID, _ context: AssociatedData, _ place: String) throws
    {
        guard let row = try database.load(OwnerRow.self, owner.rawValue, keyring)?.row, row.wrappedKey != nil
        else { return }
        do {
            _ = try SealedField.open(
                sealed, with: Owner(row, keyring: keyring).key, for: context, limit: Limits.sealedReplyBytes)
        } catch {
            throw VaultError(
                .integrity, "A value in \(place) does not open with the new keys; the old ones are kept.",
                remedy: "Run 'tokenvault key rotate --deep' again, then 'tokenvault audit verify'.")
        }
    }
}
