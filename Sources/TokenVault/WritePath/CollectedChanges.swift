import MerkleLog
import VaultCrypto
import VaultStore

/// What the bodies of a batch want written, which is applied with the commit. A body that throws leaves nothing in it.
package struct CollectedChanges {
    /// Of the bodies that ended well, and of the present one.
    package private(set) var entries: [PendingEntry] = []
    /// What was not applied yet.
    private(set) var writes: [RowWrite] = []
    /// The rows that bodies asked for or wrote, as they are with what is collected; nil: deleted.
    private(set) var known: [RowName: StoredRow?] = [:]
    private(set) var vault: VaultRow
    private(set) var cosigners: [NoteSigner] = []
    /// After this commit nothing of what was before shall be left in the WAL.
    private(set) var truncation: WALTruncation?
    private(set) var hasChanges = false
    var renewedRowSet: RowSetKey?

    /// What the present body changed and no entry names yet.
    private var unnamed: [RowChange] = []
    /// What the present body put into ``known``, and what was there before.
    private var replaced: [(name: RowName, before: StoredRow??)] = []
    private var start: Start

    /// How all was before the present body.
    private struct Start {
        var entries = 0
        var writes = 0
        var cosigners = 0
        var hasChanges = false
        var renewedRowSet: RowSetKey?
        var vault: VaultRow
    }

    init(_ vault: VaultRow) {
        self.vault = vault
        start = Start(vault: vault)
    }

    mutating func begin() {
        unnamed = []
        replaced.removeAll(keepingCapacity: true)
        start = Start(
            entries: entries.count, writes: writes.count, cosigners: cosigners.count, hasChanges: hasChanges,
            renewedRowSet: renewedRowSet, vault: vault)
    }

    /// The present body threw: what it did is dropped.
    mutating func abandon() {
        unnamed = []
        // Of what was applied, a savepoint undid the body's part.
        writes.removeLast(max(0, writes.count - start.writes))
        for (name, before) in replaced.reversed() { known[name] = before }
        entries.removeLast(entries.count - start.entries)
        cosigners.removeLast(cosigners.count - start.cosigners)
        (vault, renewedRowSet, hasChanges) = (start.vault, start.renewedRowSet, start.hasChanges)
    }

    mutating func wereApplied() {
        writes.removeAll(keepingCapacity: true)
        start.writes = 0
    }

    /// Whether the present body has writes that are not applied.
    var bodyWrote: Bool { writes.count > start.writes }

    /// The present body ended well: its events become entries, the first of which names the rows not named yet.
    mutating func end(_ end: BodyEnd) throws {
        guard fits(end) else {
            throw VaultError(.internalError, "A write changed rows that its entry does not name.")
        }
        end.events.forEach { log($0) }
    }

    /// Whether the present body's end tells of what it wrote.
    private func fits(_ end: BodyEnd) -> Bool {
        let isRegistryUnchanged = vault.stamp == start.vault.stamp
        return switch end.kind {
        case .change:
            !end.events.isEmpty || unnamed.isEmpty && (isRegistryUnchanged || entries.count > start.entries)
        case .upkeep: unnamed.isEmpty && isRegistryUnchanged
        case .unchanged: !bodyWrote && vault == start.vault
        }
    }

    /// An entry that names what the body changed since its last one.
    mutating func log(_ event: AuditEvent) {
        entries.append(PendingEntry(event: event, rows: unnamed))
        unnamed = []
    }

    mutating func put(_ write: RowWrite) {
        writes.append(write)
        hasChanges = true
    }

    /// A row that the next entry names.
    mutating func name(_ change: RowChange) {
        var change = change
        // A row written twice for one entry is named once, as it was left.
        if let index = unnamed.firstIndex(where: { $0.table == change.table && $0.id == change.id }) {
            change.previous = unnamed.remove(at: index).previous
        }
        unnamed.append(change)
        hasChanges = true
    }

    /// A row as the store has it.
    mutating func keep(_ row: StoredRow?, as name: RowName) { known[name] = .some(row) }

    /// A row as the present body leaves it.
    mutating func know(_ row: StoredRow?, as name: RowName) {
        replaced.append((name, known.updateValue(row, forKey: name)))
    }

    mutating func changeVault(_ change: (inout VaultRow) -> Void) {
        change(&vault)
        hasChanges = true
    }

    mutating func truncate(_ request: WALTruncation) {
        truncation = request
        hasChanges = true
    }

    mutating func cosign(_ signer: NoteSigner) { cosigners.append(signer) }
}

/// What the end of a body tells of: its events, and what it may have written.
package struct BodyEnd {
    package var events: [AuditEvent]
    package let kind: BodyKind

    package init(events: [AuditEvent], kind: BodyKind) {
        (self.events, self.kind) = (events, kind)
    }
}

package enum BodyKind {
    /// Rows that entries of the log name.
    case change
    /// Only rows that no entry names.
    case upkeep
    /// Nothing.
    case unchanged
}

/// A row of a tagged table, by name.
package struct RowName: Hashable {
    package let table: UInt16
    package let id: Int64

    package init(table: UInt16, id: Int64) {
        (self.table, self.id) = (table, id)
    }
}

extension RowName {
    init(_ row: StoredRow) { self.init(table: row.layout.number, id: row.id) }
}
