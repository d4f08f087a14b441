import MerkleLog
import SQLiteStore
import TokenRotation
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// A backup unsealed and compared: what is known before the first change.
struct PreparedRestore: Sendable {
    let plan: RestorePlan
    /// Those that are to end.
    let grants: [Int64]
    let root: GuardedKey
    /// As in the backup: its log has the name of the life before.
    let keyring: Keyring
    let parent: LogHead
    let openedBy: KeyslotRecord
    /// The largest id of each table that the newest log names.
    let largest: [UInt16: Int64]

    private var hasEntries: Bool { plan.newest?.hasEntries == true }

    /// The first transaction of the new life: the log goes on under its new name, counters jump past every number that
    /// may have been given out, and who was signed in is not any more.
    func beginIncarnation(at path: String, _ configuration: VaultConfiguration) throws {
        do {
            let writer = try Connections.openWriter(path)
            defer { try? writer.close() }
            try writer.transaction { try begin($0, configuration) }
        } catch { throw StorageFailure.translate(error) }
    }

    private func begin(_ opened: any StoreTransaction, _ configuration: VaultConfiguration) throws {
        let incarnation = Incarnation.random(number: plan.incarnation)
        let origin = LogHead.origin(of: keyring.vault, incarnation: incarnation)
        guard let signer = keyring.signer.named(origin) else {
            throw VaultError(.internalError, "The log's origin is not a key name.")
        }
        let vault = try VaultRow.read(opened.database, rowKey: keyring.rows)
        let transaction = WriteTransaction(
            opened, keyring: keyring, registry: Registry(), firstUses: FirstUses(), vault: vault,
            head: parent, now: configuration.clock.now(),
            monotonic: configuration.clock.reading(), signer: signer, isCareful: true)
        guard let system = try transaction.owner(.system) else { throw VaultRow.damaged }
        try transaction.run {
            transaction.changeVault(jump)
            try transaction.insert(
                IncarnationRow(
                    id: incarnation.id, parentSize: parent.size, parentRoot: parent.root.bytes,
                    restoredAt: transaction.now,
                    lostGrants: vault.nextGrantID..<transaction.vault.nextGrantID,
                    lostSince: parent.lastTime))
            try keepSlot(transaction)
            // A session that was ended since would be there again.
            transaction.put(RowWrite("DELETE FROM sign_in_sessions"))
            let event = AuditEvent(
                .vaultRestore, by: AuditActor(system.pseudonym, configuration.channel, configuration.actor),
                reason: plan.newest == nil ? "without-log" : hasEntries ? "with-log" : "with-checkpoint")
            return BodyEnd(events: [event], kind: .change)
        }
        _ = try AuditTrail().append(transaction.collected.entries, to: parent, in: transaction)
        try opened.apply(transaction.finish())
    }

    /// What opened the backup opens the vault too, also where the slot was made after the backup.
    private func keepSlot(_ transaction: WriteTransaction) throws {
        let slots = try transaction.database.loadAll(
            KeyslotRow.self, where: "true ORDER BY id", [], transaction.keyring)
        guard !slots.contains(where: { $0.record.id == openedBy.id }) else { return }
        let newest = max(slots.last?.id ?? 0, largest[TableLayout.keyslots.number] ?? 0)
        try transaction.insert(KeyslotRow(id: newest + 1, record: openedBy, createdAt: transaction.now))
    }

    /// Numbers that were given out in the lost time must not be given out again.
    private func jump(_ vault: inout VaultRow) {
        // The newest log may end a moment before its vault did: more than a service gives out in that. Without
        // entries, at 10,000 a second, five days' worth; and a million restores fit into the numbers there are.
        let stride: Int64 = hasEntries ? 1 << 20 : 1 << 32
        func past(_ counter: Int64, _ tables: TableLayout...) -> Int64 {
            let named = tables.compactMap { largest[$0.number] }.max() ?? 0
            return max(counter, named + 1) + stride
        }
        vault.nextOwnerID = past(vault.nextOwnerID, .owners)
        vault.nextGrantID = past(
            vault.nextGrantID, .grants, .consents, .providers, .connections, .authorizationRequests, .webhooks
        )
        vault.nextSecretID = past(vault.nextSecretID, .clientSecrets)
        vault.nextKeyID = past(
            vault.nextKeyID, .systemKeys, .roleKeys, .keyslots, .signingKeys, .backups, .anchors)
        vault.registryRevision += stride
    }
}
