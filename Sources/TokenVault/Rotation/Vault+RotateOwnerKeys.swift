import GRDB
import VaultCore
import VaultCrypto

/// New keys for owners, and every record sealed anew: the part of a deep rotation that touches each record.
///
/// 1. every owner gets a new key; the one before is kept beside it, so that all its records still open;
/// 2. every record is sealed anew; 3. that each opens with the new keys alone is proved; 4. the keys before are destroyed.
extension Vault {
    func renewOwnerKeys(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        try await RotationSweep(
            vault: self, table: "owners",
            condition: """
                id <= ? AND wrapped_key IS NOT NULL AND id NOT IN (SELECT id FROM previous_owner_keys)
                """,
            values: [.integer(job.lastOwner ?? .max)], rowsPerBody: Limits.rowsPerLeaf / 2,
            reason: "new-owner-keys", touchesRegistry: true, job: job
        ).run(progress) { try $0.renewKey(of: OwnerID($1)) }
    }

    func resealRecords(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        var written: Int64 = 0
        for table in SealedColumns.all {
            written += try await RotationSweep(vault: self, table: table.layout.name, reason: "sealed-anew")
                .run(progress) { try $0.reseal(table, $1) }
        }
        return try await written
            + RotationSweep(vault: self, table: "audit_personal", rowsPerBody: 100)
            .run(progress) { try $0.resealPersonalData($1) }
    }

    /// Opens every record with the present keys alone.
    ///
    /// - Throws: ``VaultError/Code/integrity`` naming the first that does not open.
    func proveRecords(_ job: RotationJob, _ progress: @escaping KeyRotationObserver) async throws {
        try await BlockingThread.result { [store, keys] in
            try store.withOwnReader { database in
                // Another operator ended this rotation, and maybe began the next, which is not ours to judge.
                guard try database.rotationJob(job.kind) == job else { return }
                try Trial.openRecords(of: database, keys.keys(for: database).keyring, progress)
            }
        }
    }

    func destroyPreviousOwnerKeys(_ job: RotationJob) async throws {
        _ = try await RotationSweep(
            vault: self, table: "previous_owner_keys", reason: "keys-destroyed", touchesRegistry: true,
            job: job
        ).run({ _ in }) { transaction, id in
            try transaction.delete(.previousOwnerKeys, id: id)
            return true
        }
    }
}

extension WriteTransaction {
    fileprivate func renewKey(of id: OwnerID) throws -> Bool {
        guard let owner = try database.owner(id, keyring),
            try load(PreviousOwnerKeyRow.self, id.rawValue) == nil
        else { return false }
        let key = OwnerKey(version: owner.key.version + 1, key: .random())
        try insert(
            PreviousOwnerKeyRow(
                id: id, keyVersion: owner.row.keyVersion, keyEpoch: Int64(keyring.epoch),
                wrappedKey: KeyWrap.wrap(
                    owner.key.key, under: keyring.root, epoch: keyring.epoch,
                    for: Keyring.wrapContext(keyring.vault, previousKeyOf: id))))
        try update(owner.rekeyed(key, keyring))
        return true
    }

    fileprivate func reseal(_ table: SealedColumns, _ id: Int64) throws -> Bool {
        let found = try database.firstRow(table.layout.selectByID, [.integer(id)]) {
            try StoredRow(reading: $0, table.layout, rowKey: keyring.rows)
        }
        guard let row = found, let owner = try owner(table.owner(of: row)) else { return false }
        var columns = row.columns
        var isChanged = false
        for field in table.fields {
            let index = table.layout.index(of: field.column)
            guard case .blob(let sealed) = columns[index],
                SealedField.ownerKeyVersion(of: sealed) != owner.key.version
            else { continue }
            columns[index] = .blob(
                try SealedField.reseal(sealed, with: owner.key, for: table.context(field, of: row, keyring)))
            isChanged = true
        }
        if isChanged { try rewrite(table.layout, id: id, columns) }
        return isChanged
    }

    /// Outside the tree, so no entry names it; the commitment inside the sealed bytes stays what it was.
    fileprivate func resealPersonalData(_ leaf: Int64) throws -> Bool {
        guard let record = try PersonalRecord.read(leaf, database), let owner = try owner(record.owner),
            SealedField.ownerKeyVersion(of: record.sealed) != owner.key.version
        else { return false }
        let sealed = try SealedField.reseal(record.sealed, with: owner.key, for: record.context(keyring))
        try database.run(
            "UPDATE audit_personal SET sealed = ? WHERE id = ?", [.blob(sealed), .integer(leaf)])
        noteUnloggedChange()
        return true
    }
}
