import MerkleLog
import VaultCore
import VaultCrypto

/// What the entries after a backup say became of its rows. Leaves name rows by a hash, so what a row is now is not known;
/// that it moved on, and by which operation, is.
struct LogReplay {
    typealias Fate = (operation: String, isGone: Bool)

    /// The rows that moved on, by number of the table and id.
    private var rows: [UInt16: [Int64: Fate]] = [:]
    /// The largest id of each table that was named.
    private(set) var largest: [UInt16: Int64] = [:]
    /// Lives of the vault, and the entries that began them.
    private(set) var lives: [(id: Int64, entry: Int64)] = []
    /// Of keys, as the log calls them.
    private(set) var rotations: Set<String> = []
    /// A deep rotation puts new keyslots in the place of the old ones: which each stands for.
    private var slotOrigins: [Int64: Int64] = [:]
    /// Of the tree over the backup's entries and those after them.
    private(set) var edge: RightEdge
    /// Size at which the root is kept.
    private let watched: UInt64?
    private(set) var watchedRoot: Digest?

    /// - Parameter edge: of the backup's own log.
    init(after edge: RightEdge, watching size: UInt64? = nil) {
        self.edge = edge
        watched = size
    }

    /// What became of the rows of a table.
    subscript(layout: TableLayout) -> [Int64: Fate] { rows[layout.number] ?? [:] }

    mutating func add(_ index: Int64, _ bytes: [UInt8]) throws {
        guard index == Int64(edge.size) else { throw LaterLog.missing(Int64(edge.size)) }
        guard let entry = AuditLeaf.decode(bytes), entry.index == index else {
            throw LaterLog.unproven("Entry \(index) cannot be read.")
        }
        _ = edge.append(MerkleHash.leaf(bytes))
        if edge.size == watched { watchedRoot = edge.root }
        for change in entry.rows {
            largest[change.table] = max(largest[change.table] ?? 0, change.id)
            let isLife = change.table == TableLayout.incarnations.number
            if isLife, entry.operation == AuditOperation.vaultRestore.rawValue {
                lives.append((change.id, index))
            }
        }
        // Rows that were carried past a pruning, or written under other keys, say what they said.
        switch AuditOperation(rawValue: entry.operation) {
        case .auditCarry, .keyRewrap: break
        case .keyRotate: note(rotation: entry)
        default: note(entry)
        }
    }

    private mutating func note(_ entry: AuditEntry) {
        for change in entry.rows {
            // What a refresh notes of its provider changes neither entry nor credentials.
            if change.table == TableLayout.providers.number, !entry.operation.hasPrefix("provider.") {
                continue
            }
            // What befalls a keyslot of a deep rotation befalls the one whose place it took.
            let origin = change.table == TableLayout.keyslots.number ? slotOrigins[change.id] : nil
            rows[change.table, default: [:]][origin ?? change.id] = (entry.operation, change.hash == nil)
        }
    }

    private mutating func note(rotation entry: AuditEntry) {
        if let name = entry.reason, entry.rows.contains(where: { $0.hash != nil }) {
            rotations.insert(String(name.prefix { $0 != "-" }))
        }
        var replaced: Int64?
        for change in entry.rows where change.table == TableLayout.keyslots.number {
            if change.hash == nil {
                replaced = slotOrigins[change.id] ?? change.id
            } else if let origin = replaced {
                slotOrigins[change.id] = origin
                replaced = nil
            }
        }
    }
}
