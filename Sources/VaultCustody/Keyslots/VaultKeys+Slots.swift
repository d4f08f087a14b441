import Foundation
public import TokenVault
public import VaultCore
public import VaultCrypto
import VaultStore

extension VaultKeys {
    /// Adds a keyslot. The slot counts only after it was opened again by `proof`, the key that its
    /// holder will use, read again.
    ///
    /// - Parameters:
    ///   - name: letters, digits, `.`, `_` and `-`, at most 64; nil takes the kind's word.
    ///   - source: what the slot is made for; a key file must exist.
    ///   - proof: `source` itself where nil.
    ///   - roles: what the slot opens the vault for.
    /// - Throws: ``VaultError/Code/alreadyExists`` (the name), ``VaultError/Code/denied`` (too many slots),
    ///   ``VaultError/Code/locked`` (`proof` is something else than `source`), and what the source meets.
    public func addSlot(
        named name: String? = nil, unlockedBy source: KeySource, provedBy proof: KeySource? = nil,
        for roles: VaultRoles = .everything
    ) async throws -> VaultKeyslot {
        try await addSlot(name, source, proof ?? source, .keyslotAdd, roles)
    }

    func addSlot(
        _ name: String?, _ source: KeySource, _ proof: KeySource, _ operation: AuditOperation,
        _ roles: VaultRoles = .everything
    ) async throws -> VaultKeyslot {
        if let name { try Self.checkName(name) }
        // Once more when keys were rotated in between.
        for _ in 0..<3 {
            let present = try NextKeys(in: vault.keyring)
            let made = try await BlockingThread.result {
                try ProvedKeyslot(source, proof, present, roles, vault.id)
            }
            do {
                return try await vault.write { transaction in
                    guard try NextKeys(in: transaction.keyring).slotEpochs == present.slotEpochs else {
                        throw Overtaken()
                    }
                    let slot = try transaction.add(made, named: name)
                    return Audited(
                        slot.shown(vault.unlocker),
                        AuditEvent(operation, by: vault.operatorActor, reason: made.record.kind.word))
                }
            } catch is Overtaken {}
        }
        throw VaultError(
            .busy, "Another process keeps rotating keys.", remedy: "Try again when that is over.")
    }

    /// Records that the slot by which this vault was opened opens it, and keeps what a rotation needs of it.
    ///
    /// - Parameter isFirstOnly: write nothing when that was noted before.
    /// - Throws: ``VaultError/Code/busy``: a deep rotation replaced the slot, or it was removed.
    @discardableResult
    public func proveOpenedSlot(isFirstOnly: Bool = false) async throws -> VaultKeyslot {
        if isFirstOnly, let known = try await slots().first(where: \.isOpened), known.isRotatable,
            known.provedAt != nil
        {
            return known
        }
        return try await vault.write { transaction in
            let slots = try StoredKeyslot.all(transaction)
            guard let slot = slots.first(where: { $0.row.record.id == vault.unlocker.slotID }) else {
                throw VaultError(
                    .busy, "The keyslot that opened the vault was replaced or removed meanwhile.",
                    remedy: "Open the vault again, if necessary with another slot's key.")
            }
            let proved = try transaction.note(slot, openedBy: vault.unlocker)
            return Audited(
                proved.shown(vault.unlocker),
                AuditEvent(.keyslotTest, by: vault.operatorActor, reason: slot.row.record.kind.word))
        }
    }

    /// Removes a keyslot. An attacker who copied its key, and has an older copy of the database, can
    /// still open that copy.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/denied`` for the last slot, and for the one by which
    ///   this vault was opened: open it with a key that stays.
    public func removeSlot(named name: String) async throws {
        try await vault.write(.finishing) { transaction in
            _ = try transaction.keyring.root
            let slots = try StoredKeyslot.all(transaction)
            guard let slot = slots.first(where: { $0.name == name }) else {
                throw VaultError(.notFound, "There is no such keyslot.", remedy: "List the keyslots.")
            }
            guard slots.count > 1 else {
                throw VaultError(
                    .denied, "This is the only keyslot: without it the vault cannot be opened.",
                    remedy: "Add a keyslot first.")
            }
            guard slot.row.record.id != vault.unlocker.slotID else {
                throw VaultError(
                    .denied, "This keyslot opened the vault for this command.",
                    remedy: "Open the vault with the key of a slot that stays.")
            }
            if slot.details != nil { try transaction.delete(.keyslotDetails, id: slot.row.id) }
            try transaction.delete(.keyslots, id: slot.row.id)
            return Audited(
                (), AuditEvent(.keyslotRemove, by: vault.operatorActor, reason: slot.row.record.kind.word))
        }
    }

    /// Makes a recovery key: writes its private half into a new file, sealed to `passphrase`, and adds its
    /// slot. The slot counts only once the file was read again from the disk, opened with the passphrase, and
    /// opened the slot. When that fails there is neither slot nor file.
    ///
    /// - Parameters:
    ///   - name: as of ``addSlot(named:unlockedBy:provedBy:)``.
    ///   - path: of the file, which is never overwritten; mode 600.
    ///   - passphrase: 1 to 1024 bytes. It is Argon2id's: about 0.2 s each time.
    public func createRecoveryKey(
        named name: String? = nil, file path: String, passphrase: SecretBytes
    ) async throws -> VaultKeyslot {
        if let name { try Self.checkName(name) }
        let (key, copy) = try await BlockingThread.result {
            let key = try RecoveryKey.generate(for: vault.id)
            try key.write(to: path, passphrase: passphrase)
            do {
                return (key, try RecoveryKey(file: path, passphrase: passphrase))
            } catch {
                unlink(path)
                throw error
            }
        }
        do {
            return try await addSlot(name, .recoveryKey(key), .recoveryKey(copy), .recoveryCreate)
        } catch {
            // A file that opens nothing would only be trusted on the wrong day.
            if (error as? VaultError)?.code != .outcomeUnknown { unlink(path) }
            throw error
        }
    }

    static func checkName(_ name: String) throws {
        let isPlain = name.utf8.allSatisfy { FormCoding.isUnreserved($0) && $0 != UInt8(ascii: "~") }
        guard isPlain, (1...64).contains(name.utf8.count), name.first != "-" else {
            throw VaultError(
                .invalidInput, "A keyslot's name has 1 to 64 letters, digits, '.', '_' and '-'.",
                remedy: "For example: office-safe.")
        }
    }

    /// Puts a root key that is never used into every keyslot, sees that each opens, and rolls all that
    /// back. What a rotation of the root key would do to the slots, without its consequences: for a dry run,
    /// and for an operator who wants to know today whether the day of the rotation will go well.
    ///
    /// - Parameters:
    ///   - sources: each has to open the new root key, too; writes wait for as long as that takes.
    ///   - isOpenedSlotNoted: as a rotation begins: first the slot by which this vault was opened is noted.
    /// - Returns: the names of the slots.
    /// - Throws: what a rotation would: ``VaultError/Code/denied`` naming the slots whose key is not held,
    ///   ``VaultError/Code/integrity`` naming those that are not what the log says.
    package func rehearseSlotRotation(
        openedBy sources: [KeySource] = [], isOpenedSlotNoted: Bool = false
    ) async throws -> [String] {
        do {
            try await vault.housekeep { transaction in
                let keyring = transaction.keyring
                let next = try NextKeys(replacing: KeyRole.own, root: .random(), in: keyring)
                let opened = try StoredKeyslot.all(transaction).first {
                    $0.row.record.id == vault.unlocker.slotID
                }
                if isOpenedSlotNoted, let opened, !opened.isRotatable {
                    _ = try transaction.note(opened, openedBy: vault.unlocker)
                }
                try transaction.rewrapKeyslots(to: next)
                let database = try transaction.database
                var keys = [try vault.unlocker.open(database, keyring.vault, next.slotEpochs)]
                for source in sources {
                    keys.append(try Unlocking.unlock(database, keyring.vault, next.slotEpochs, source).key)
                }
                guard keys.allSatisfy(next.contains) else {
                    throw VaultError(.internalError, "A keyslot opened to another key than it was given.")
                }
                throw Self.rehearsed
            }
        } catch let end as VaultError where end == Self.rehearsed {}
        return try await slots().map(\.name)
    }

    /// Ends a rehearsal that went well: thrown, so that nothing of it stays.
    private static let rehearsed = VaultError(.init(rawValue: "rehearsed"), "Nothing was changed.")
}

extension WriteTransaction {
    /// Notes that `slot` was opened, now; what is not held of it yet is held where the root key is at hand.
    func note(_ slot: StoredKeyslot, openedBy unlocker: Unlocker) throws -> StoredKeyslot {
        var details =
            slot.details
            ?? KeyslotDetailsRow(id: slot.row.id, name: slot.name, held: nil, epoch: 0, provedAt: now)
        details.provedAt = now
        if details.held == nil, let slotKey = unlocker.slotKey, let root = try? keyring.root {
            try details.hold(
                slotKey, of: slot.row.record, under: root, epoch: keyring.epoch, vault: keyring.vault)
        }
        if slot.details == nil { try insert(details) } else { try update(details) }
        return StoredKeyslot(row: slot.row, details: details)
    }

    /// Puts the next keys into every keyslot and holds the slots' keys under the next root key, in the body that makes
    /// those keys the present ones.
    ///
    /// Each result was opened before it is written. Slots that have the epoch already are left alone. The caller
    /// returns the event that names the rows: two a slot, ``VaultCore/Limits/keyslots`` at most.
    ///
    /// - Throws: ``VaultError/Code/denied`` naming the slots whose key is not held; nothing was changed then.
    ///   ``VaultError/Code/integrity`` for a slot that its held key does not open, and for one whose kind, role or recovery
    ///   key is not what a holder of the root key made it.
    func rewrapKeyslots(to next: NextKeys) throws {
        let slots = try StoredKeyslot.all(self)
        let stuck = slots.filter { !$0.isRotatable }
        guard stuck.isEmpty else { throw VaultError.unheldKeyslots(stuck.map(\.name)) }
        for slot in slots {
            guard let inside = next.inside(slot.row.record), var details = slot.details,
                slot.row.record.epoch != inside.epoch || details.epoch != Int64(next.epoch)
            else { continue }
            guard
                let held = try details.heldKey(of: slot.row.record, under: keyring.root, vault: keyring.vault)
            else { continue }
            let record = try rewrapped(slot.row.record, held, inside.key, inside.epoch)
            try details.hold(held, of: record, under: next.root, epoch: next.epoch, vault: keyring.vault)
            try update(KeyslotRow(id: slot.row.id, record: record, createdAt: slot.row.createdAt))
            try update(details)
        }
    }

    private func rewrapped(
        _ record: KeyslotRecord, _ held: GuardedKey, _ key: GuardedKey, _ epoch: UInt32
    ) throws -> KeyslotRecord {
        guard record.kind == .recoveryKey else {
            return try Keyslot.rewrap(
                record, heldSlotKey: held, root: key, epoch: epoch, vault: keyring.vault)
        }
        // Anyone who may write the row can name a recovery key of their own.
        guard try Keyslot.heldRecoveryKey(of: record).isEqual(to: held) else {
            throw VaultError(
                .integrity, "A recovery keyslot is not sealed to the recovery key that it was made for.",
                remedy: "Verify the audit log, then remove the keyslot.")
        }
        return try Keyslot.reseal(record, root: key, epoch: epoch, vault: keyring.vault)
    }
}

extension ProvedKeyslot {
    /// - Throws: ``VaultError/Code/denied`` where the vault was opened for one role.
    init(
        _ source: KeySource, _ proof: KeySource, _ present: NextKeys, _ roles: VaultRoles, _ vault: VaultID
    ) throws {
        let key = present.key(of: roles)
        try self.init(source, proof, key.key, key.epoch, vault, role: roles.number)
    }
}
