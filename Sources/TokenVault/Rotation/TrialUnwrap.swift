import GRDB
import VaultCore
import VaultCrypto

/// Opens every wrapped key with the present root key alone, in one snapshot: what must succeed before an old root key
/// is destroyed.
struct TrialUnwrap {
    private let database: Database
    private let keyring: Keyring

    /// Any keyring of the snapshot; only its root key is used.
    init(_ database: Database, _ keyring: Keyring) {
        self.database = database
        self.keyring = keyring
    }

    /// - Throws: ``VaultError/Code/integrity`` naming the first row that does not open, or whose tag is wrong.
    func run(_ progress: KeyRotationObserver) throws {
        let epoch = Int64(keyring.epoch)
        let total = try ["owners", "previous_owner_keys", "system_keys"].reduce(0) {
            try $0 + database.rowCount($1)
        }
        var done: Int64 = 0
        func step() {
            done += 1
            guard done.isMultiple(of: 4096) || done == total else { return }
            progress(KeyRotationProgress(phase: "proof", done: done, total: total))
        }
        try database.forEachTagged(.owners, keyring.rows) { stored in
            let row = try OwnerRow(stored)
            if let wrapped = row.wrappedKey {
                try open(
                    wrapped, row.keyEpoch == epoch, Keyring.wrapContext(keyring.vault, owner: row.id), stored)
            }
            step()
        }
        try database.forEachTagged(.previousOwnerKeys, keyring.rows) { stored in
            let row = try PreviousOwnerKeyRow(stored)
            try open(
                row.wrappedKey, row.keyEpoch == epoch,
                Keyring.wrapContext(keyring.vault, previousKeyOf: row.id), stored)
            step()
        }
        try database.forEachTagged(.systemKeys, keyring.rows) { stored in
            let row = try SystemKeyRow(stored)
            try open(
                row.wrapped, row.epoch == epoch, Keyring.wrapContext(keyring.vault, systemKey: row.id), stored
            )
            step()
        }
        guard done == total else {
            throw VaultError(.integrity, "Fewer keys were seen than there are; the old root key is kept.")
        }
    }

    private func open(
        _ wrapped: [UInt8], _ isOfEpoch: Bool, _ context: AssociatedData, _ row: StoredRow
    ) throws {
        do {
            guard isOfEpoch else { throw VaultError(.integrity, "") }
            _ = try KeyWrap.unwrap(wrapped, with: keyring.root, epoch: keyring.epoch, for: context)
        } catch {
            throw VaultError(
                .integrity,
                "The key in row \(row.id) of \(row.layout.name) does not open with the new root key; the old one is kept.",
                remedy: "Run 'tokenvault key rotate root' again, then 'tokenvault audit verify'.")
        }
    }
}
