import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// What the log says of the rows of keyslots: the newest entry that names each.
///
/// A row put back from an older copy has a genuine tag, and names an entry that is genuine. Only what came after that
/// entry tells that the row was removed or changed. So every entry is read from the oldest on that a row there names; that
/// they are the log's is seen from the root that they give together with the tiles before them.
struct KeyslotHistory: Sendable {
    private static let layouts = [KeyslotRow.layout, KeyslotDetailsRow.layout]

    /// How many entries it knows of, and the tree of them.
    private(set) var size: Int64
    private var edge = RightEdge()
    private var newest: [RowName: RowState] = [:]

    /// Some three seconds for a million entries.
    init(_ database: Database) throws {
        let width = Int64(Limits.tileWidth)
        let end = try LogHead.read(database).size
        // A row that names an entry pruned since is none of the living: pruning names these again.
        let kept = (try StoredLog(database).firstKept(end) + width - 1) / width * width
        let oldest = try Self.layouts.compactMap { layout in
            try database.firstRow("SELECT leaf FROM \(layout.name) ORDER BY leaf LIMIT 1") { $0.integer(0) }
        }.min()
        let first = min(max(oldest ?? end, kept, 0), end) / width * width
        size = first
        var tiles: Int64 = 0
        try database.forEachRow(
            "SELECT id, hash FROM audit_tiles WHERE id >= 0 AND id < ? ORDER BY id", [.integer(first / width)]
        ) { row in
            guard row.integer(0) == tiles,
                let hash = row.withBlob(1, { $0.flatMap { Digest(bytes: Array($0)) } })
            else { return false }
            edge.append(tile: hash)
            tiles += 1
            return true
        }
        guard tiles == first / width else { throw Self.unproven }
        try read(database, to: end)
    }

    /// Goes on to the first `end` entries.
    mutating func read(_ database: Database, to end: Int64) throws {
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(size), .integer(end)]
        ) { row in
            guard row.integer(0) == size else { return false }
            return row.withBlob(1) { bytes in bytes.map { take($0) } ?? false }
        }
        guard size == end else { throw Self.unproven }
    }

    private mutating func take(_ bytes: UnsafeRawBufferPointer) -> Bool {
        guard let leaf = LeafFields(reading: bytes) else { return false }
        _ = edge.append(MerkleHash.leaf(raw: bytes))
        note(leaf.rows)
        return true
    }

    /// Takes the next entry's word for what became of its rows.
    private mutating func note(_ changes: [RowChange]) {
        for change in changes where Self.layouts.contains(where: { $0.number == change.table }) {
            newest[RowName(table: change.table, id: change.id)] = RowState(leaf: size, hash: change.hash)
        }
        size += 1
    }

    /// Refuses rows that are not what the log says.
    ///
    /// - Parameters:
    ///   - head: as many entries as were read, signed by the log's key, as the caller knows.
    ///   - pending: entries of the same transaction, after these.
    /// - Throws: ``VaultError/Code/integrity`` naming the slots, or where the entries do not give the root.
    fileprivate consuming func judge(
        _ database: Database, _ keyring: Keyring, _ head: LogHead, pending: [PendingEntry]
    ) throws {
        guard size == head.size, edge.root == head.root else { throw Self.unproven }
        for entry in pending { note(entry.entry.rows) }
        var strange: Set<Int64> = []
        for layout in Self.layouts {
            var reader = RowReader(layout, nil)
            try database.forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
                let row = reader.read(cursor)
                let said = newest[RowName(table: layout.number, id: row.id)]
                if said?.hash != row.hash || said?.leaf != row.leaf { strange.insert(row.id) }
                return true
            }
        }
        // Details without a slot open nothing, and nobody could remove them.
        let names = try StoredKeyslot.all(database, keyring).filter { strange.contains($0.row.id) }.map(
            \.name)
        guard names.isEmpty else {
            throw VaultError(
                .integrity,
                "Keyslots are not what the log says, as when a removed one was put back from an older copy: "
                    + names.joined(separator: ", ") + ".",
                remedy: "Run 'tokenvault audit verify', then remove them: 'tokenvault key slot remove'.")
        }
    }

    private static var unproven: VaultError {
        VaultError(
            .integrity, "The log cannot say which keyslots there are: its entries do not give its root.",
            remedy: "Run 'tokenvault audit verify', then restore a backup.")
    }
}

extension Vault {
    /// Read before the transaction that needs it, which then reads only what came since.
    func keyslotHistory() async throws -> KeyslotHistory {
        try await BlockingThread.result { [store] in try store.withOwnReader { try KeyslotHistory($0) } }
    }
}

extension WriteTransaction {
    /// Refuses keyslots that are not what the log says; to be called before the body changes any.
    ///
    /// - Throws: ``VaultError/Code/integrity`` naming them.
    func expectKeyslots(of history: KeyslotHistory) throws {
        var history = history
        try history.read(database, to: committed.size)
        try history.judge(database, keyring, committed, pending: entries)
    }
}
