import VaultCore
package import VaultCrypto

extension Vault {
    /// Puts a root key that nobody will ever use into every keyslot, sees that each opens, and rolls all that
    /// back. What a rotation of the root key would do to the slots, without its consequences: for a dry run,
    /// and for who wants to know today whether the day of the rotation will go well.
    ///
    /// - Parameters:
    ///   - sources: each has to open the new root key, too; writes wait for as long as that takes.
    ///   - isOpenedSlotNoted: as a rotation begins: first the slot by which this vault was opened is noted.
    /// - Returns: the names of the slots.
    /// - Throws: what a rotation would: ``VaultError/Code/denied`` naming the slots whose key is not held,
    ///   ``VaultError/Code/integrity`` naming those that are not what the log says.
    package func rehearseKeyslotRotation(
        openedBy sources: [KeySource] = [], isOpenedSlotNoted: Bool = false
    ) async throws -> [String] {
        let history = try await keyslotHistory()
        do {
            try await housekeep { [unlocker] transaction in
                let (keyring, database) = (transaction.keyring, transaction.database)
                try transaction.expectKeyslots(of: history)
                let (root, epoch) = (GuardedKey.random(), keyring.epoch + 1)
                let opened = try StoredKeyslot.all(database, keyring).first {
                    $0.row.record.id == unlocker.slotID
                }
                if isOpenedSlotNoted, let opened, !opened.isRotatable {
                    _ = try transaction.note(opened, openedBy: unlocker.slotKey)
                }
                try transaction.rewrapKeyslots(to: root, epoch: epoch, oldRoot: keyring.root)
                var roots = [try unlocker.root(database, keyring.vault, epoch: epoch)]
                for source in sources {
                    roots.append(try Unlocking.unlock(database, keyring.vault, epoch: epoch, source).root)
                }
                guard roots.allSatisfy({ $0.isEqual(to: root) }) else {
                    throw VaultError(.internalError, "A keyslot opened to another key than was put into it.")
                }
                throw Self.rehearsed
            }
        } catch let end as VaultError where end == Self.rehearsed {}
        return try keyslots().map(\.name)
    }

    /// Ends a rehearsal that went well: thrown, so that nothing of it stays.
    private static let rehearsed = VaultError(.init(rawValue: "rehearsed"), "Nothing was changed.")
}
