import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// The one row of `audit_head`: the tree as of the last commit.
struct LogHead: Sendable {
    var edge: RightEdge
    var root: Digest
    /// No later leaf carries an earlier time.
    var lastTime: VaultInstant
    /// C2SP signed note over the checkpoint.
    var note: String

    var size: Int64 { Int64(edge.size) }

    /// Whether the note is the signed checkpoint of exactly this tree.
    func isSigned(by key: NoteKey) -> Bool {
        guard let note = try? SignedNote.parse(Array(note.utf8)), note.isSigned(by: key) else { return false }
        return note.text == checkpoint(named: key.name).body
    }

    func checkpoint(named origin: String) -> Checkpoint {
        Checkpoint(origin: origin, size: edge.size, root: root)
    }

    /// Whether `last_time` is the time of the last leaf: nothing else vouches for it.
    func isTimed(_ database: Database) throws -> Bool {
        try size == 0 || StoredLog(database).entry(size - 1)?.time == lastTime
    }

    /// The last entry; nil where it is not the one that the tree has there.
    func lastEntry(_ database: Database) throws -> AuditEntry? {
        guard let (first, count, hash) = edge.subtrees.last else { return nil }
        let (log, width) = (StoredLog(database), UInt64(Limits.tileWidth))
        do {
            guard try log.subtrees.root(over: first..<first + count) == hash else { return nil }
            if count >= width {
                // That was shown by tiles: the last of them has to be that of its leaves.
                let (tile, half) = ((first + count) / width - 1, width.trailingZeroBitCount - 1)
                let (left, right) = try (
                    log.subtrees.hash(level: half, index: 2 * tile),
                    log.subtrees.hash(level: half, index: 2 * tile + 1)
                )
                guard try log.subtrees.hash(level: half + 1, index: tile) == MerkleHash.node(left, right)
                else { return nil }
            }
        } catch let error as VaultError where error.code == .integrity { return nil }
        return try log.entry(size - 1)
    }

    /// The name of the log: each time the vault is restored it goes on under another.
    ///
    /// - Parameter incarnation: the first for a vault that was never restored.
    static func origin(of vault: VaultID, incarnation: Incarnation = .first) -> String {
        "tokenvault/\(vault)" + (incarnation == .first ? "" : "/\(incarnation.name)")
    }

    /// Which incarnation of this vault's log has that name; nil for another log.
    static func incarnation(named origin: String, of vault: VaultID) -> Incarnation? {
        let name = origin.split(separator: "/", omittingEmptySubsequences: false).dropFirst(2).first
        guard let incarnation = name.map({ Incarnation(name: $0) }) ?? .first,
            origin == self.origin(of: vault, incarnation: incarnation)
        else { return nil }
        return incarnation
    }
}

extension LogHead {
    /// - Throws: ``VaultError/Code/integrity`` when the stored root is not the one its edge gives.
    static func read(_ database: Database) throws -> LogHead {
        guard let head = try database.firstRow(question.sql, [], LogHead.init) else { throw misfit }
        return head
    }

    static let question = StoreQuestion(
        "SELECT size, root, edge, last_time, note FROM audit_head WHERE id = 1")

    /// The row that ``question`` asks for.
    init(_ cursor: RowCursor) throws {
        guard case .blob(let root) = cursor.value(1), case .blob(let edge) = cursor.value(2),
            case .text(let note) = cursor.value(4), let rootDigest = Digest(bytes: root),
            let size = UInt64(exactly: cursor.integer(0)),
            let rightEdge = RightEdge(size: size, bytes: edge),
            rightEdge.root == rootDigest
        else { throw Self.misfit }
        self.init(
            edge: rightEdge, root: rootDigest,
            lastTime: VaultInstant(millisecondsSince1970: cursor.integer(3)), note: note)
    }

    static let misfit = VaultError(
        .integrity, "The head of the audit log does not fit the log.",
        remedy: "Run 'tokenvault audit verify', then restore a backup.")

    var insert: RowWrite {
        RowWrite("INSERT INTO audit_head VALUES (1, ?, ?, ?, ?, ?)", values)
    }

    var update: RowWrite {
        RowWrite(
            "UPDATE audit_head SET size = ?, root = ?, edge = ?, last_time = ?, note = ? WHERE id = 1", values
        )
    }

    private var values: [SQLValue] {
        [.integer(size), .blob(root.bytes), .blob(edge.bytes), SQLValue(lastTime), .text(note)]
    }
}

/// The tree as it is stored: leaves hashed again from their bytes, tiles by the hash that was kept of them.
struct StoredLog {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// For proofs.
    var subtrees: StoredSubtrees {
        StoredSubtrees(
            leaves: { range in
                try hashes("SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id", range) {
                    MerkleHash.leaf(raw: $0)
                }
            },
            tiles: { range in
                try hashes("SELECT hash FROM audit_tiles WHERE id >= ? AND id < ? ORDER BY id", range) {
                    $0.count == Digest.byteCount ? Digest(loading: $0) : nil
                }
            })
    }

    /// The bytes of the entry with this index; nil where it is not there.
    func leaf(_ index: Int64) throws -> [UInt8]? {
        try database.firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) { row in
            row.withBlob(0) { $0.map { Array($0) } }
        } ?? nil
    }

    /// The entry with this index; nil where it is not there, or cannot be read.
    func entry(_ index: Int64) throws -> AuditEntry? { try leaf(index).flatMap(AuditLeaf.decode) }

    /// - Throws: ``VaultError/Code/integrity`` for one that is not there, or cannot be read.
    func readableEntry(_ index: Int64) throws -> AuditEntry {
        guard let entry = try entry(index) else { throw Self.unreadable(index) }
        return entry
    }

    /// Reads entries in order, those that are there, until `body` returns false. What it gets is valid during the call.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for one that cannot be read.
    func forEachLeaf(
        in range: Range<Int64>, _ body: (LeafFields, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(range.lowerBound), .integer(range.upperBound)]
        ) { row in
            let index = row.integer(0)
            return try row.withBlob(1) { bytes in
                guard let bytes, let leaf = LeafFields(reading: bytes), leaf.index == index else {
                    throw Self.unreadable(index)
                }
                return try body(leaf, bytes)
            }
        }
    }

    /// What `body` makes of up to `limit` entries from `first` on.
    func entries<Entry>(
        from first: Int64, limit: Int, _ body: (LeafFields, UnsafeRawBufferPointer) -> Entry
    ) throws -> [Entry] {
        var entries: [Entry] = []
        guard limit > 0 else { return entries }
        try forEachLeaf(in: first..<max(first, .max)) { leaf, bytes in
            entries.append(body(leaf, bytes))
            return entries.count < limit
        }
        return entries
    }

    /// The first leaf of a log's time that is `time` or later. None before it was written later by its wall clock, but for
    /// some that were written while a clock was ahead, before the log's time was set back.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for a leaf that cannot be read.
    func firstIndex(at time: VaultInstant, from first: Int64, to size: Int64) throws -> Int64 {
        var (low, high) = (first, size)
        while low < high {
            let middle = low + (high - low) / 2
            if try readableEntry(middle).time < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The first leaf that says it was written at `time` or later. One that says it was written after `now` was written
    /// while the clock was ahead, and says nothing.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for a leaf that cannot be read.
    func firstIndex(
        since time: VaultInstant, _ now: VaultInstant, from first: Int64, to size: Int64
    ) throws -> Int64 {
        let (time, now) = (time.millisecondsSince1970, max(time, now).millisecondsSince1970)
        var found = size
        try forEachLeaf(in: first..<max(first, size)) { leaf, _ in
            if (time...now).contains(leaf.wall) { found = leaf.index }
            return found == size
        }
        return found
    }

    static func unreadable(_ index: Int64) -> VaultError {
        VaultError(
            .integrity, "Entry \(index) of the log cannot be read.", remedy: "Run 'tokenvault audit verify'.")
    }

    /// The root of the tree of the first `size` leaves.
    func root(of size: Int64) throws -> Digest {
        size == 0 ? MerkleHash.empty : try subtrees.root(over: 0..<UInt64(size))
    }

    /// The first leaf that is there; the size of the log when none is.
    func firstKept(_ size: Int64) throws -> Int64 {
        try database.integer("SELECT id FROM audit_leaves WHERE id >= 0 ORDER BY id LIMIT 1") ?? size
    }

    /// Whether the root of the first `size` leaves can still be computed: pruning keeps no leaf hashes.
    func keeps(prefix size: Int64) throws -> Bool {
        let partial = size / Int64(Limits.tileWidth) * Int64(Limits.tileWidth)
        return try size == partial || firstKept(size) <= partial
    }

    /// What is said of a checkpoint too old for that.
    static func pruned(_ size: Int64) -> VaultError {
        VaultError(
            .notFound,
            "The entries around \(size) were pruned; nothing can be proved about a log of that size.",
            remedy: "Use a newer checkpoint.")
    }

    /// Whether `new` begins with `old`: shown against the root of `new`, so that stored hashes need not be believed.
    func shows(_ old: Checkpoint, before new: Checkpoint) throws -> Bool {
        guard old.size < new.size else { return old == new }
        do {
            return MerkleProof.verifyConsistency(
                old: old.size, oldRoot: old.root, new: new.size, newRoot: new.root,
                proof: try MerkleProof.consistency(from: old.size, to: new.size, hashes: subtrees))
        } catch let error as VaultError where error.code == .integrity { return false }
    }

    /// - Parameter hash: nil for what is no hash.
    private func hashes(
        _ sql: String, _ range: Range<UInt64>, _ hash: (UnsafeRawBufferPointer) -> Digest?
    ) throws -> [Digest] {
        var hashes: [Digest] = []
        hashes.reserveCapacity(range.count)
        try database.forEachRow(
            sql, [.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))]
        ) { row in
            guard let value = row.withBlob(0, { $0.flatMap(hash) }) else { return false }
            hashes.append(value)
            return true
        }
        return hashes
    }
}
