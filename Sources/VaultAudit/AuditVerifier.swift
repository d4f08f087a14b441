import Foundation
package import MerkleLog
package import TokenVault
import VaultCore
import VaultCrypto
package import VaultStore

/// Checks the whole log, and the whole database against it, in one snapshot.
///
/// 1. every leaf: its hash, its index, its time, its shape; the tiles and the root over all of them;
/// 2. the head: its note is signed by the log's key over exactly that tree; leaves that are gone were announced;
/// 3. state equals log: the last leaf that names a row gives the hash the row has, and every live row is named;
/// 4. every index leads to the rows of its table, and to no other;
/// 5. the vault row is the one that the last leaf names;
/// 6. with the keys: every row's tag, as far as the keys of its role are held, the hash of the rows that the vault
///    row counts, and every piece of personal data against its commitment.
///
/// From a checkpoint on: that the tree begins with that of the checkpoint, then the same for what came since and the
/// rows it names.
package struct AuditVerifier {
    let database: Database
    let key: NoteKey
    let keyring: Keyring?
    let progress: (Double) -> Void
    var report = AuditReport()
    /// Grants with a finding of their own.
    var affected: Set<Int64> = []
    /// With rows of roles whose keys are not held.
    private var untagged: Set<String> = []

    /// - Parameter keyring: nil checks what needs no key but the log's public one.
    package init(_ database: Database, key: NoteKey, keyring: Keyring?, progress: @escaping (Double) -> Void)
    {
        self.database = database
        self.key = key
        self.keyring = keyring
        self.progress = progress
    }

    /// - Parameters:
    ///   - since: signed by the log's key, as the caller has checked.
    ///   - rows: every row of the same snapshot; asked for when the leaves are done.
    /// - Throws: ``VaultError/Code/notFound`` if the checkpoint is older than what pruning kept.
    package consuming func verify(since: Checkpoint? = nil, rows: () throws -> RowScan) throws -> AuditReport
    {
        let head = try StoredHead(database, key)
        report.checkpointNote = head.note
        report.size = head.size
        report.since = since.map { Int64(clamping: $0.size) } ?? 0
        let tiles = try storedTiles(head)
        let trusted = try since.map { try check($0, head, tiles) } ?? 0

        var scan = LeafScan(first: try firstIndex(since, head), end: head.size, keepsDeleted: since != nil)
        try scan.run(database, &report) { [progress] in progress($0 * 0.7) }
        reportMissing(scan)
        try compareTiles(scan, tiles)
        let proven = try judge(head, scan, tiles, trusted)
        try collectGrants(in: proven.unproven)

        if since == nil {
            let rows = try rows()
            try verifyRows(rows, scan, proven)
            try verifyCreations(scan)
            try verifyIndexes()
            if keyring != nil { verifyPersonalData(rows.personal, scan) }
        } else {
            try verifyNamedRows(scan, proven)
            if let keyring {
                verifyPersonalData(try PersonalFact.read(database, keyring, from: scan.first), scan)
            }
        }
        do {
            for error in try database.freshness(keyring) { report.add("vault", error.message) }
        } catch let error as VaultError { report.add("vault", error.message) }
        if keyring != nil, !untagged.isEmpty {
            report.notes.append(
                "Tags were not checked, for want of the keys of other roles, in: "
                    + untagged.sorted().joined(separator: ", ") + ".")
        }
        report.affectedGrants = Array(affected.sorted().prefix(AuditReport.limit))
        report.furtherAffectedGrants = affected.count - report.affectedGrants.count
        progress(1)
        return report
    }

    /// The tile that the scan begins with.
    private func firstIndex(_ since: Checkpoint?, _ head: StoredHead) throws -> Int64 {
        let width = Int64(Limits.tileWidth)
        if let since { return min(Int64(clamping: since.size), head.size) / width * width }
        let lowest = try database.count("SELECT min(id) FROM audit_leaves WHERE id >= 0")
        return min(lowest, head.size) / width * width
    }

    // MARK: The log by itself

    /// Accepts as missing exactly what a leaf announced, which the root covers.
    private mutating func reportMissing(_ scan: LeafScan) {
        let isIncremental = report.since > 0
        report.firstKept = isIncremental ? 0 : max(scan.announced, 0)
        var missing = scan.missing
        if !isIncremental, scan.first > 0 { missing.insert(0..<scan.first, at: 0) }
        for range in missing where range.upperBound > scan.announced {
            let first = max(range.lowerBound, scan.announced)
            let further = range.upperBound - first - 1
            report.add(entry: first, further == 0 ? "is missing" : "is missing, and the \(further) after it")
        }
        if !isIncremental, scan.first < scan.announced {
            report.notes.append("Entries before \(scan.announced) may be removed: a pruning was interrupted.")
        }
    }

    private func storedTiles(_ head: StoredHead) throws -> [Int64: Digest] {
        var tiles: [Int64: Digest] = [:]
        tiles.reserveCapacity(Int(clamping: head.size / Int64(Limits.tileWidth)))
        try database.forEachRow("SELECT id, hash FROM audit_tiles ORDER BY id") { row in
            tiles[row.integer(0)] = row.withBlob(1) { $0.flatMap { Digest(bytes: Array($0)) } }
            return true
        }
        return tiles
    }

    private mutating func compareTiles(_ scan: LeafScan, _ stored: [Int64: Digest]) throws {
        let expected = scan.end / Int64(Limits.tileWidth)
        if stored.count != expected { report.add("tiles", "are \(stored.count), not \(expected)") }
        for (index, hash) in scan.tiles.sorted(by: { $0.key < $1.key }) where stored[index] != hash {
            report.add("tile \(index)", "is not the hash of its entries")
        }
    }

    /// The root over everything, and where it is not the signed one, how far the damage goes.
    private mutating func judge(
        _ head: StoredHead, _ scan: LeafScan, _ tiles: [Int64: Digest], _ trusted: Int64
    ) throws -> ProvenEntries {
        let root = recomputedRoot(scan, tiles)
        report.root = root?.description ?? ""
        report.findings += head.findings
        if let root, root != head.root { report.add("head", "has another root than the entries give") }
        if root == nil { report.add("head", "speaks of \(head.size) entries, some of which are missing") }
        if scan.end > 0, head.lastTime != scan.lastTime {
            report.add("head", "has another time than the last entry")
        }
        let isWhole = root != nil && root == head.signedRoot
        let proven =
            isWhole
            ? ProvenEntries(all: database, scan)
            : try ProvenEntries(
                database, scan, storedTiles: tiles, edge: head.signedEdge, trustedSize: trusted)
        report.provenSize = proven.size
        if report.firstBadEntry == nil, proven.size < scan.end { report.firstBadEntry = proven.size }
        return proven
    }

    private func recomputedRoot(_ scan: LeafScan, _ tiles: [Int64: Digest]) -> Digest? {
        let width = Int64(Limits.tileWidth)
        var edge = RightEdge()
        for tile in 0..<scan.end / width {
            guard let hash = scan.tile(tile, stored: tiles) else { return nil }
            edge.append(tile: hash)
        }
        for index in scan.end / width * width..<scan.end {
            guard let hash = scan.tail[index] else { return nil }
            _ = edge.append(hash)
        }
        return edge.root
    }

    // MARK: From a checkpoint on

    /// Whether the tree begins with that of the checkpoint.
    ///
    /// - Returns: how many entries the checkpoint proves.
    private mutating func check(
        _ since: Checkpoint, _ head: StoredHead, _ tiles: [Int64: Digest]
    ) throws -> Int64 {
        let size = Int64(clamping: since.size)
        guard size <= head.size else {
            report.add("head", "lies behind the checkpoint: \(head.size) entries, where there were \(size)")
            return 0
        }
        let log = StoredLog(database)
        guard try log.keeps(prefix: size) else { throw StoredLog.pruned(size) }
        guard let root = try? log.root(of: size), root == since.root else {
            report.add("entry 0", "or one of the \(size) that the checkpoint covers was altered")
            return 0
        }
        return size
    }
}

/// State equals log: every live row is the one its last leaf names.
extension AuditVerifier {
    /// Every row of every table.
    mutating func verifyRows(_ rows: RowScan, _ scan: LeafScan, _ proven: ProvenEntries) throws {
        var unseen = scan.lastChanges
        for table in rows.tables {
            for row in table.rows {
                let last = unseen.removeValue(forKey: RowName(table: table.layout.number, id: row.id))
                try judge(row, table.layout, last, proven)
            }
        }
        for (name, state) in unseen where state.hash != nil { reportMissing(name, state) }
    }

    /// The rows that the scan met, and no other.
    mutating func verifyNamedRows(_ scan: LeafScan, _ proven: ProvenEntries) throws {
        for layout in TableLayout.tagged {
            guard try database.hasTable(layout.name) else { continue }
            let reader = RowReader(layout, keyring?.rows)
            for (name, state) in scan.lastChanges where name.table == layout.number {
                let row = try database.firstRow(layout.selectByID, [.integer(name.id)]) { reader.read($0) }
                if let row {
                    try judge(row, layout, state, proven)
                } else if state.hash != nil {
                    reportMissing(name, state)
                }
            }
        }
    }

    private mutating func judge(
        _ row: RowReader.Row, _ layout: TableLayout, _ last: RowState?, _ proven: ProvenEntries
    ) throws {
        report.rows += 1
        let isGrant = layout.number == TableLayout.grants.number
        if isGrant { report.grants += 1 }
        var problems: [String] = []
        if row.isTagged == nil { untagged.insert(layout.name) }
        if row.isTagged == false { problems.append("was changed from outside") }
        if let last {
            if last.hash == nil {
                problems.append("is there although entry \(last.leaf) deleted it")
            } else if last.hash != row.hash || last.leaf != row.leaf {
                problems.append("is not what entry \(last.leaf), the last that names it, says")
            }
        } else {
            problems.append("is there although the log does not say so")
        }
        for problem in problems { report.add("\(layout.name) \(row.id)", problem) }
        if problems.isEmpty, proven.contains(row.leaf) {
            report.untouchedRows += 1
            if isGrant { report.untouchedGrants += 1 }
        } else if isGrant {
            affected.insert(row.id)
        }
    }

    /// By an index that lacks a row, a grant would escape its revocation.
    mutating func verifyIndexes() throws {
        for layout in TableLayout.tagged where try database.hasTable(layout.name) {
            for fault in try database.indexFaults(of: layout) {
                report.add("\(layout.name)", "has an index that does not fit: \(fault)")
            }
        }
    }

    /// What is named as living and is not there.
    private mutating func reportMissing(_ name: RowName, _ state: RowState) {
        let table = TableLayout.tagged.first { $0.number == name.table }?.name ?? "table \(name.table)"
        report.add("\(table) \(name.id)", "is missing; entry \(state.leaf) says it is there")
        if name.table == TableLayout.grants.number { affected.insert(name.id) }
    }

    /// Grants of the entries that nothing vouches for, as far as these can still be read.
    mutating func collectGrants(in ranges: [Range<Int64>]) throws {
        var left = Self.examined
        for range in ranges where left > 0 {
            try database.forEachRow(
                "SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
                [.integer(range.lowerBound), .integer(range.upperBound), .integer(left)]
            ) { row in
                left -= 1
                guard case .blob(let bytes) = row.value(0), let entry = AuditLeaf.decode(bytes) else {
                    return true
                }
                for change in entry.rows where change.table == TableLayout.grants.number {
                    affected.insert(change.id)
                }
                return true
            }
        }
    }

    /// Damaged entries looked at for grants: a report names no more than fit on a screen anyway.
    private static let examined: Int64 = 10_000
}
