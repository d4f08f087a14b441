import GRDB
import VaultCore
import VaultCrypto

extension WriteTransaction {
    /// Writes a slot that was proved, and its details.
    func add(_ made: ProvedKeyslot, named name: String?) throws -> StoredKeyslot {
        let slots = try StoredKeyslot.all(database, keyring)
        guard slots.count < Limits.keyslots else {
            throw VaultError(
                .denied, "A vault has at most \(Limits.keyslots) keyslots.",
                remedy: "Remove one that nobody uses: 'tokenvault key slot remove'.")
        }
        let taken = Set(slots.map(\.name))
        guard name.map({ !taken.contains($0) }) ?? true else {
            throw VaultError(
                .alreadyExists, "There is a keyslot of this name.", remedy: "Choose another: --name.")
        }
        let word = made.record.kind.word
        let free =
            name ?? ([word] + (2...Limits.keyslots + 1).map { "\(word)-\($0)" }).first { !taken.contains($0) }
        let id = next(\.nextKeyID)
        let slot = StoredKeyslot(
            row: KeyslotRow(id: id, record: made.record, createdAt: now),
            details: KeyslotDetailsRow(
                id: id, name: free ?? "\(word)-\(id)", record: made.record, slotKey: made.slotKey,
                root: keyring.root, vault: keyring.vault, now: now))
        try insert(slot.row)
        if let details = slot.details { try insert(details) }
        return slot
    }

    /// Notes that `slot` was opened by `slotKey`, now.
    func note(_ slot: StoredKeyslot, openedBy slotKey: GuardedKey) throws -> StoredKeyslot {
        let record = slot.row.record
        let fresh = KeyslotDetailsRow(
            id: slot.row.id, name: slot.name, record: record, slotKey: slotKey, root: keyring.root,
            vault: keyring.vault, now: now)
        guard var details = slot.details else {
            try insert(fresh)
            return StoredKeyslot(row: slot.row, details: fresh)
        }
        details.provedAt = now
        if details.held == nil { (details.held, details.epoch) = (fresh.held, fresh.epoch) }
        try update(details)
        return StoredKeyslot(row: slot.row, details: details)
    }

    /// Puts another root key into every keyslot and holds the slots' keys under it: the last step of a rotation, in
    /// the body that changes the vault's epoch.
    ///
    /// Each result was opened before it is written. Slots that have the epoch already are left alone. The caller
    /// returns the event that names the rows: two a slot, ``VaultCore/Limits/keyslots`` at most.
    ///
    /// - Parameters:
    ///   - newRoot: of `epoch`.
    ///   - oldRoot: under which the slots' keys are held.
    /// - Throws: ``VaultError/Code/denied`` naming the slots whose key is not held; nothing was changed then.
    ///   ``VaultError/Code/integrity`` for a slot that its held key does not open.
    func rewrapKeyslots(to newRoot: GuardedKey, epoch: UInt32, oldRoot: GuardedKey) throws {
        let slots = try StoredKeyslot.all(database, keyring)
        let stuck = slots.filter { !$0.isRotatable }
        guard stuck.isEmpty else { throw VaultError.unheldKeyslots(stuck.map(\.name)) }
        for slot in slots where slot.row.record.epoch != epoch {
            try rewrap(slot, to: newRoot, epoch, oldRoot)
        }
    }

    private func rewrap(
        _ slot: StoredKeyslot, to newRoot: GuardedKey, _ epoch: UInt32, _ oldRoot: GuardedKey
    ) throws {
        let (record, id) = (slot.row.record, slot.row.id)
        guard record.kind != .recoveryKey else {
            let resealed = try Keyslot.reseal(record, root: newRoot, epoch: epoch, vault: keyring.vault)
            try update(KeyslotRow(id: id, record: resealed, createdAt: slot.row.createdAt))
            guard var details = slot.details else { return }
            details.epoch = Int64(epoch)
            return try update(details)
        }
        guard var details = slot.details, let held = details.held else { return }
        let slotKey = try KeyWrap.unwrap(
            held, with: oldRoot, epoch: UInt32(truncatingIfNeeded: details.epoch),
            for: Keyring.wrapContext(keyring.vault, keyslot: id))
        let rewrapped = try Keyslot.rewrap(
            record, heldSlotKey: slotKey, root: newRoot, epoch: epoch, vault: keyring.vault)
        details.hold(slotKey, of: record.kind, under: newRoot, epoch: epoch, vault: keyring.vault)
        try update(KeyslotRow(id: id, record: rewrapped, createdAt: slot.row.createdAt))
        try update(details)
    }
}
