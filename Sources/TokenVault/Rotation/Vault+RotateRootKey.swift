import GRDB
import VaultCore
import VaultCrypto

extension Vault {
    /// Gives the vault a new root key: wraps every key under it again, proves that each opens, and destroys the old one.
    ///
    /// Online: services go on, and pick the new key up by themselves. After a crash the next call goes on where this one
    /// was. The keys under the root stay what they are; after a disclosure use ``rotateDeeply(openedBy:others:progress:)``.
    ///
    /// - Throws: ``VaultError/Code/denied`` when a keyslot cannot be wrapped again (its remedy says what to do),
    ///   ``VaultError/Code/integrity`` when a key does not open: the old root key is kept then; and naming keyslots that are
    ///   not what the log says, before anything is changed.
    public func rotateRootKey(
        progress: @escaping KeyRotationObserver = { _ in }
    ) async throws -> KeyRotationReport {
        // A slot of before rotations were possible is taken along once it was opened: as it just was.
        try await proveOpenedKeyslot(isFirstOnly: true)
        var report = try await beginRootRotation { transaction, root, epoch in
            try transaction.rewrapKeyslots(to: root, epoch: epoch, oldRoot: transaction.keyring.root)
        }
        report.rewritten = try await finishRootRotation(progress)
        return report
    }

    /// The first transaction: the new root key, and the old one wrapped under it.
    ///
    /// - Parameter rewrapSlots: puts the new root key into every keyslot, in this transaction.
    func beginRootRotation(
        kind: String = "root", root: GuardedKey = .random(),
        _ rewrapSlots: @escaping @Sendable (WriteTransaction, GuardedKey, UInt32) throws -> Void
    ) async throws -> KeyRotationReport {
        // This process need not open the new key by its keyslot, which may be another one then.
        keys.expect(root)
        return try await queue.submit(.newWork) { [operatorActor] transaction in
            let keyring = transaction.keyring
            guard keyring.retiredRoots.isEmpty else {
                var report = KeyRotationReport(kind: kind, epoch: Int64(keyring.epoch))
                report.isResumed = true
                return (report, [])
            }
            let epoch = keyring.epoch + 1
            try transaction.insert(
                RetiredRootRow(
                    id: Int64(keyring.epoch), epoch: Int64(epoch),
                    wrapped: KeyWrap.wrap(
                        keyring.root, under: root, epoch: epoch,
                        for: Keyring.wrapContext(keyring.vault, retiredRoot: Int64(keyring.epoch))),
                    retiredAt: transaction.now))
            try rewrapSlots(transaction, root, epoch)
            transaction.changeVault { $0.keyEpoch = Int64(epoch) }
            return (
                KeyRotationReport(kind: kind, epoch: Int64(epoch)),
                [AuditEvent(.keyRotate, by: operatorActor, reason: kind + "-begun")]
            )
        }
    }

    /// Everything after the first transaction; does nothing when no root key is retired.
    ///
    /// - Returns: how many keys were wrapped again.
    func finishRootRotation(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        let current = try snapshot { _, keys in keys.keyring.retiredRoots.isEmpty ? nil : keys.keyring.epoch }
        guard let epoch = current else { return 0 }
        try await rewrapSystemKeys()
        let count = try await rewrapOwners(progress)
        let isProved = try await BlockingThread.result { [store, keys] in
            try store.withOwnReader { database in
                let keyring = try keys.keys(for: database).keyring
                // Another operator ended this rotation and began the next, which is not ours to judge.
                guard keyring.epoch == epoch else { return false }
                try Trial.openKeys(of: database, keyring, progress)
                return true
            }
        }
        if isProved { try await destroyRetiredRoots(before: epoch) }
        try await truncateWAL()
        return count
    }

    private func rewrapSystemKeys() async throws {
        try await queue.submit(.finishing) { [operatorActor] transaction in
            let keyring = transaction.keyring
            let rows = try transaction.database.loadAll(
                SystemKeyRow.self, where: "epoch != ? ORDER BY id LIMIT ?",
                [.integer(Int64(keyring.epoch)), .integer(Int64(Limits.rowsPerLeaf))], keyring)
            for row in rows { try transaction.update(row.rewrapped(keyring)) }
            guard !rows.isEmpty else { return ((), []) }
            return ((), [AuditEvent(.keyRewrap, by: operatorActor, reason: "system-keys", count: rows.count)])
        }
        let isDone = try snapshot { database, keys in
            try database.loadAll(
                SystemKeyRow.self, where: "epoch != ? LIMIT 1", [.integer(Int64(keys.keyring.epoch))],
                keys.keyring
            ).isEmpty
        }
        if !isDone { try await rewrapSystemKeys() }
    }

    private func rewrapOwners(_ progress: @escaping KeyRotationObserver) async throws -> Int64 {
        let epoch = Int64(keyring.epoch)
        var count: Int64 = 0
        for table in ["owners", "previous_owner_keys"] {
            count += try await RotationSweep(
                vault: self, table: table, phase: "owners",
                condition: "key_epoch != ? AND wrapped_key IS NOT NULL", values: [.integer(epoch)],
                reason: "owners"
            ).run(progress) {
                try table == "owners" ? $0.rewrapOwner($1) : $0.rewrapPreviousKey($1)
            }
        }
        return count
    }

    /// The last transaction: nothing is wrapped under an old root key any more, so nobody needs it.
    private func destroyRetiredRoots(before epoch: UInt32) async throws {
        try await queue.submit(.finishing) { [operatorActor] transaction in
            let keyring = transaction.keyring
            let retired = keyring.retiredRoots.keys.map(Int64.init)
            guard !retired.isEmpty, keyring.epoch == epoch else { return ((), []) }
            for (table, column) in [
                ("owners", "key_epoch"), ("previous_owner_keys", "key_epoch"), ("system_keys", "epoch"),
                ("keyslots", "epoch"),
            ] {
                let wrapped = column == "epoch" ? "wrapped" : "wrapped_key"
                let left = try transaction.database.rowCount(
                    table, where: "\(column) != ? AND \(wrapped) IS NOT NULL",
                    [.integer(Int64(keyring.epoch))])
                guard left == 0 else {
                    throw VaultError(
                        .integrity, "Keys are still wrapped under an old root key, which is kept.",
                        remedy: "Run 'tokenvault key rotate root' again.")
                }
            }
            for id in retired { try transaction.delete(.retiredRoots, id: id) }
            return ((), [AuditEvent(.keyRotate, by: operatorActor, reason: "root-done")])
        }
    }
}

extension WriteTransaction {
    /// - Returns: false when the owner needs it no more: erased, or done by someone else.
    fileprivate func rewrapOwner(_ id: Int64) throws -> Bool {
        guard let row = try load(OwnerRow.self, id)?.row, row.keyEpoch != Int64(keyring.epoch),
            row.wrappedKey != nil
        else { return false }
        try update(Owner(row, keyring: keyring).rewrapped(keyring))
        return true
    }

    fileprivate func rewrapPreviousKey(_ id: Int64) throws -> Bool {
        guard var row = try load(PreviousOwnerKeyRow.self, id)?.row, row.keyEpoch != Int64(keyring.epoch)
        else { return false }
        let key = try row.unwrapped(keyring).key
        row.keyEpoch = Int64(keyring.epoch)
        row.wrappedKey = KeyWrap.wrap(
            key, under: keyring.root, epoch: keyring.epoch,
            for: Keyring.wrapContext(keyring.vault, previousKeyOf: row.id))
        try update(row)
        return true
    }
}

extension SystemKeyRow {
    /// The same key under the present root key.
    fileprivate func rewrapped(_ keyring: Keyring) throws -> SystemKeyRow {
        let context = Keyring.wrapContext(keyring.vault, systemKey: id)
        let key = try KeyWrap.unwrap(
            wrapped, with: try keyring.root(ofEpoch: epoch), epoch: UInt32(truncatingIfNeeded: epoch),
            for: context)
        return SystemKeyRow(
            id: id, purpose: purpose, keyID: keyID, state: state, epoch: Int64(keyring.epoch),
            wrapped: KeyWrap.wrap(key, under: keyring.root, epoch: keyring.epoch, for: context),
            createdAt: createdAt)
    }
}
