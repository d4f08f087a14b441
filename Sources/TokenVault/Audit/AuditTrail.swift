import Foundation
import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// Appends entries to the log inside the transaction of the change they speak of.
package struct AuditTrail {

    package init() {}
    /// Writes `entries` (whose indices follow the head), completes tiles, and signs the new head once.
    ///
    /// - Returns: the new head.
    package func append(_ entries: [PendingEntry], to head: LogHead, in transaction: WriteTransaction) throws
        -> LogHead
    {
        var head = head
        for position in entries.indices {
            let event = entries[position].event
            var entry = AuditEntry(entries[position])
            head.lastTime = event.setsTime ? transaction.now : max(head.lastTime, transaction.now)
            if position == entries.count - 1 { entry.stamp = transaction.vault.stamp.hex }
            entry.index = head.size
            entry.time = head.lastTime
            entry.wall = transaction.now
            entry.monotonic = transaction.monotonic.milliseconds
            entry.boot = transaction.monotonic.clock
            if let personal = event.personal {
                entry.personalCommitment = try store(personal, .subject, leaf: entry.index, in: transaction)
            }
            if let details = event.actor.details {
                let personal = PersonalData(owner: .system, data: try details.encoded())
                entry.actorCommitment = try store(personal, .actor, leaf: entry.index, in: transaction)
            }
            entry.grants = event.grants.map { GrantMark.text($0.id, of: $0.owner, in: entry.index) }
            let bytes = AuditLeaf.encode(entry)
            guard bytes.count <= Limits.leafBytes else {
                throw VaultError(.internalError, "An audit entry is longer than \(Limits.leafBytes) bytes.")
            }
            let hash = MerkleHash.leaf(bytes)
            head.lastLeaf = hash
            transaction.put(
                RowWrite(
                    "INSERT INTO audit_leaves (id, bytes, hash) VALUES (?, ?, ?)",
                    [.integer(entry.index), .blob(bytes), .blob(hash.bytes)]))
            if let tile = head.edge.append(hash) {
                transaction.put(
                    RowWrite(
                        "INSERT INTO audit_tiles (id, hash) VALUES (?, ?)",
                        [.integer(head.size / Int64(Limits.tileWidth) - 1), .blob(tile.bytes)]))
            }
        }
        head.root = head.edge.root
        head.note = try transaction.sign(head)
        transaction.put(head.update)
        return head
    }

    /// Seals the personal part under its owner's key; the leaf gets the commitment to it.
    private func store(
        _ personal: PersonalData, _ part: PersonalPart, leaf: Int64, in transaction: WriteTransaction
    ) throws -> String {
        let salt = SystemRandom().bytes(16)
        let sealed = try transaction.seal(
            salt + personal.data, owner: personal.owner, table: SealedTable.auditPersonal,
            column: part.rawValue, row: leaf)
        transaction.put(
            RowWrite(
                "INSERT INTO audit_personal (id, part, owner_id, sealed) VALUES (?, ?, ?, ?)",
                [
                    .integer(leaf), .integer(Int64(part.rawValue)), .integer(personal.owner.rawValue),
                    .blob(sealed),
                ]))
        return PersonalData.commitment(to: personal.data, salt: salt)
    }
}

/// An event that becomes an entry, and the rows that it names.
package struct PendingEntry: Sendable {
    package let event: AuditEvent
    let rows: [RowChange]
}

extension AuditEntry {
    /// What is known before the entry has its place.
    fileprivate init(_ pending: PendingEntry) {
        let event = pending.event
        operation = event.operation.rawValue
        outcome = event.outcome.rawValue
        reason = event.reason
        actor = event.actor.pseudonym.map { Hex.encode($0.bytes) } ?? AuditActor.anonymous
        channel = event.actor.channel.rawValue
        subject = event.subject.map { Hex.encode($0.bytes) }
        grant = event.grant?.rawValue
        generation = event.generation.map(Int64.init)
        fingerprint = event.fingerprint.map(Hex.encode)
        requestID = event.requestID.map { String($0.prefix(64)) }
        count = event.count.map(Int64.init)
        creation = event.creation
        rows = pending.rows
    }
}

/// Whom personal data of an entry is about; stands for the column in associated data, so a piece that was moved to
/// the other part does not open.
package enum PersonalPart: UInt16, Sendable {
    case subject = 1
    case actor = 2
}
