import MerkleLog
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// What the last leaf that names a row says of it, kept small: there is one for each live row.
struct RowState {
    let leaf: Int64
    /// Nil: deleted.
    let hash: Digest?
}

/// One pass over the leaves: their hashes gathered into tiles, and what they say of the rows.
struct LeafScan {
    /// Where it begins, a multiple of the tile's width, and the size of the log.
    let first, end: Int64
    /// Subtree hashes of the full tiles all of whose leaves are there, and the leaves after the last full tile.
    private(set) var tiles: [Int64: Digest] = [:]
    private(set) var tail: [Int64: Digest] = [:]
    /// Ranges of indexes without a leaf; at most ``AuditReport/limit``.
    private(set) var missing: [Range<Int64>] = []
    private(set) var missingCount: Int64 = 0
    private(set) var lastChanges: [RowName: RowState] = [:]
    private(set) var creations = CreationChains()
    /// What leaves say of the personal data that lies outside the tree, and whose it is where a leaf names one owner.
    private(set) var commitments: [PersonalName: (hash: Digest?, owner: Int64?)] = [:]
    private(set) var lastTime = VaultInstant(millisecondsSince1970: .min)
    /// The entries before this one may be gone: a leaf announced it.
    private(set) var announced: Int64 = 0

    /// Whether rows that were deleted are remembered: of the whole log they would be all that ever were.
    private let keepsDeleted: Bool
    /// An entry could not be read: what later ones say of earlier ones cannot be checked any more.
    private(set) var isTorn = false
    /// The first entry that was there.
    private(set) var firstRead: Int64?
    private var expected: Int64
    private var edge = RightEdge()
    private var isTileWhole = true

    init(first: Int64, end: Int64, keepsDeleted: Bool) {
        self.first = first
        self.end = end
        self.keepsDeleted = keepsDeleted
        expected = first
    }

    /// Reads every leaf from `first` on.
    mutating func run(_ database: Database, _ report: inout AuditReport, progress: (Double) -> Void) throws {
        let span = Double(max(1, end - first))
        try database.forEachRow(
            "SELECT id, bytes, hash FROM audit_leaves WHERE id >= ? ORDER BY id",
            [.integer(first == 0 ? .min : first)]
        ) { row in
            let index = row.integer(0)
            guard (first..<end).contains(index) else {
                report.add("entry \(index)", "lies outside the log that the head speaks of")
                return true
            }
            if index > expected { skip(to: index) }
            row.withBlob(1) { bytes in
                row.withBlob(2) { stored in take(index, bytes, stored, &report) }
            }
            if index & 0xFFFF == 0 { progress(Double(index - first) / span) }
            return true
        }
        if expected < end { skip(to: end) }
    }

    private mutating func take(
        _ index: Int64, _ bytes: UnsafeRawBufferPointer?, _ stored: UnsafeRawBufferPointer?,
        _ report: inout AuditReport
    ) {
        guard let bytes, let stored else {
            report.add(entry: index, "is damaged")
            isTorn = true
            return append(nil)
        }
        let hash = MerkleHash.leaf(raw: bytes)
        if stored.count != Digest.byteCount || Digest(loading: stored) != hash {
            report.add(entry: index, "does not have the hash stored with it")
        }
        append(hash)
        guard let leaf = LeafFields(reading: bytes) else {
            isTorn = true
            return report.add(entry: index, "is not an entry of this format")
        }
        if firstRead == nil { firstRead = index }
        if leaf.index != index { report.add(entry: index, "was written as entry \(leaf.index)") }
        let time = VaultInstant(millisecondsSince1970: leaf.time)
        if bytes.has("audit.set-time", at: leaf.operation) {
            // The one act that sets the log's time back, once.
            lastTime = time
        } else if time < lastTime {
            report.add(entry: index, "is older than the one before it")
        } else {
            lastTime = time
        }
        func digest(_ text: LeafFields.Text) -> Digest? {
            Hex.decode(String(decoding: bytes[text], as: UTF8.self)).flatMap(Digest.init(bytes:))
        }
        if let text = leaf.personalCommitment {
            let owner = leaf.rows.first { $0.table == TableLayout.owners.number }?.id
            commitments[PersonalName(leaf: index, part: .subject)] = (digest(text), owner)
        }
        if let text = leaf.actorCommitment {
            commitments[PersonalName(leaf: index, part: .actor)] = (digest(text), OwnerID.system.rawValue)
        }
        if let creation = leaf.creation, !creations.take(creation, at: index, first: firstRead ?? 0), !isTorn
        {
            report.add(entry: index, "does not go on from the creation of this owner before it")
        }
        if let count = leaf.count, bytes.has("audit.prune", at: leaf.operation), count <= index {
            announced = max(announced, count)
        }
        for change in leaf.rows { note(change, index, &report) }
    }

    private mutating func note(_ change: RowChange, _ index: Int64, _ report: inout AuditReport) {
        let name = RowName(table: change.table, id: change.id)
        let known =
            change.hash == nil && !keepsDeleted
            ? lastChanges.removeValue(forKey: name)
            : lastChanges.updateValue(RowState(leaf: index, hash: change.hash), forKey: name)
        let last = known.flatMap { $0.hash == nil ? nil : $0.leaf }
        guard change.previous != last, !isTorn, last != nil || !isBeforeRead(change.previous) else { return }
        let table = TableLayout.tagged.first { $0.number == change.table }?.name ?? "table \(change.table)"
        let truth = last.map { "entry \($0)" } ?? "none"
        report.add(
            entry: index, "lies about the entry that named \(table) \(change.id) before: it is \(truth)")
    }

    /// Whether that is an entry from before the first one there.
    private func isBeforeRead(_ index: Int64?) -> Bool { index.map { $0 < firstRead ?? 0 } ?? false }

    /// The subtree hash of a tile: of its leaves, or as it was stored where these are not looked at or may be gone.
    func tile(_ index: Int64, stored: [Int64: Digest]) -> Digest? {
        let width = Int64(Limits.tileWidth)
        return tiles[index] ?? (index < max(first, announced) / width ? stored[index] : nil)
    }

    // MARK: Tiles

    private mutating func append(_ hash: Digest?) {
        let width = Int64(Limits.tileWidth)
        if let hash {
            if expected >= end / width * width { tail[expected] = hash }
            if isTileWhole, let tile = edge.append(hash) { tiles[expected / width] = tile }
        } else {
            isTileWhole = false
        }
        expected += 1
        if expected % width == 0 { startTile() }
    }

    private mutating func skip(to index: Int64) {
        if expected > first || firstRead != nil { isTorn = true }
        missingCount += index - expected
        if missing.count < AuditReport.limit { missing.append(expected..<index) }
        let width = Int64(Limits.tileWidth)
        expected = index
        startTile()
        isTileWhole = index % width == 0
    }

    private mutating func startTile() {
        edge = RightEdge()
        isTileWhole = true
    }
}
