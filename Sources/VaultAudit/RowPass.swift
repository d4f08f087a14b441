import MerkleLog
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// How a pass over the rows is spread out in time: it takes a twentieth of one processor at most. Arithmetic
/// only: the caller measures processor time, and sleeps.
package struct PassPace: Sendable {
    /// One part of work to 19 of rest.
    static let parts = 20
    /// A slice of work ends after about this: no longer does it keep the WAL from being emptied.
    static let slice = Duration.milliseconds(5)
    static let shortestPause = Duration.seconds(10)
    static let longestPause = Duration.seconds(3600)

    /// Processor time of the pass so far.
    private var used = Duration.zero

    package init() {}

    /// How long to rest after a slice that took `time` of a processor.
    package mutating func rest(after time: Duration) -> Duration {
        used += time
        return time * (Self.parts - 1)
    }

    /// How long to wait after the pass before the next one: four times what it took, so that a large vault costs a
    /// hundredth of a processor in the long run, and never more than an hour.
    package var pause: Duration {
        min(max(used * Self.parts * 4, Self.shortestPause), Self.longestPause)
    }
}

/// One pass over the log and then over every row, in slices: each row must be the one that the last entry naming it
/// left there.
///
/// `audit verify` does the same in one snapshot. Here each slice has a snapshot of its own, and first reads what was
/// added to the log since the slice before; so the vault may be written meanwhile.
///
/// A row's tag covers the row and the number of its entry, so it need not be hashed against that entry again: an
/// authentic row that points to the last entry that names it is the newest one. What no leaf names (the vault row, a
/// column left out of the hash) is not looked at.
///
/// Memory: 16 bytes and slack for each live row.
struct RowPass {
    private enum Stage {
        /// Comparing rows of the table with this index, from an id on.
        case rows(table: Int, from: Int64)
        /// Looking for rows that the log names and that were not found.
        case missing([RowName])
        case done
    }

    private struct Mark {
        private var bits: Int64
        var leaf: Int64 { bits >> 1 }
        var isMet: Bool { bits & 1 == 1 }

        init(leaf: Int64, isMet: Bool) { bits = leaf << 1 | (isMet ? 1 : 0) }
    }

    private var report = AuditReport()
    /// The rows that are not what the log says, and what is wrong with the log itself; at most ``AuditReport/limit``.
    var findings: [AuditFinding] { report.findings }
    var count: Int { report.findings.count + report.furtherFindings }
    /// The log was pruned under the pass: it must begin again.
    private(set) var isOutrun = false
    private let tables = TableLayout.tagged
    /// By table, then by row: the last entry that names it.
    private var last: [[Int64: Mark]]
    private let positions: [UInt16: Int]
    private var stage = Stage.rows(table: 0, from: .min)
    private var creations = CreationChains()
    /// Over every entry read so far.
    private var edge = RightEdge()
    /// The first entry that was there when the pass began.
    private var firstKept: Int64?
    private var proven: LogHead?

    init() {
        last = Array(repeating: [:], count: tables.count)
        positions = Dictionary(uniqueKeysWithValues: tables.enumerated().map { ($1.number, $0) })
    }

    var isDone: Bool { if case .done = stage { true } else { false } }

    /// Goes on until `isOver`, which is asked now and then.
    ///
    /// - Throws: what reading throws.
    mutating func step(_ database: Database, _ keyring: Keyring, isOver: () -> Bool) throws {
        let head = try LogHead.read(database)
        guard try follow(head, database, isOver), try prove(head, keyring, database) else { return }
        repeat {
            switch stage {
            case .rows(let table, let first) where table < tables.count:
                try compare(table, from: first, keyring, database, isOver)
            case .rows: stage = .missing(unmet)
            case .missing(let names): try lookFor(names, keyring, database, isOver)
            case .done: return
            }
        } while !isOver()
    }

    // MARK: The log

    /// Reads entries up to the head; false: there are more.
    private mutating func follow(_ head: LogHead, _ database: Database, _ isOver: () -> Bool) throws -> Bool {
        let kept = try firstKept ?? StoredLog(database).firstKept(head.size)
        firstKept = kept
        var isCut = false
        if Int64(edge.size) < kept {
            try database.forEachRow(
                "SELECT id, hash FROM audit_tiles WHERE id >= ? AND id < ? ORDER BY id",
                [tile(edge.size), tile(UInt64(kept))]
            ) { row in
                guard .integer(row.integer(0)) == tile(edge.size),
                    let hash = row.withBlob(1, { $0.flatMap { Digest(bytes: Array($0)) } })
                else { return false }
                edge.append(tile: hash)
                isCut = isOver()
                return !isCut
            }
            guard Int64(edge.size) == kept else {
                if !isCut { end("tile \(edge.size / UInt64(Limits.tileWidth))", "is missing or damaged") }
                return false
            }
        }
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(Int64(edge.size)), .integer(head.size)]
        ) { row in
            guard row.integer(0) == Int64(edge.size), row.withBlob(1, { take($0) }) else {
                return false
            }
            isCut = edge.size.isMultiple(of: 16) && isOver()
            return !isCut
        }
        if Int64(edge.size) < head.size, !isCut {
            isOutrun = try StoredLog(database).firstKept(head.size) > Int64(edge.size)
            if !isOutrun { end("entry \(edge.size)", "is missing or damaged") }
        }
        return Int64(edge.size) == head.size
    }

    private func tile(_ index: UInt64) -> SQLValue { .integer(Int64(index / UInt64(Limits.tileWidth))) }

    /// False: it is no entry.
    private mutating func take(_ bytes: UnsafeRawBufferPointer?) -> Bool {
        guard let bytes, let leaf = LeafFields(reading: bytes) else { return false }
        let index = Int64(edge.size)
        _ = edge.append(MerkleHash.leaf(raw: bytes))
        if let creation = leaf.creation, !creations.take(creation, at: index, first: firstKept ?? 0) {
            add("entry \(index)", "does not go on from the creation of this owner before it")
        }
        for change in leaf.rows {
            guard let table = positions[change.table] else { continue }
            let before = last[table][change.id]?.leaf
            if change.previous != before, before != nil || change.previous ?? .max >= firstKept ?? 0 {
                add(
                    "entry \(index)",
                    "lies about the entry that named \(tables[table].name) \(change.id) before")
            }
            if change.hash == nil {
                last[table][change.id] = nil
            } else {
                let isMet = last[table][change.id]?.isMet ?? false
                last[table][change.id] = Mark(leaf: index, isMet: isMet)
            }
        }
        return true
    }

    /// Whether the entries read are the ones that the vault's key signed.
    private mutating func prove(_ head: LogHead, _ keyring: Keyring, _ database: Database) throws -> Bool {
        if let proven, proven.size == head.size, proven.root == head.root, proven.lastTime == head.lastTime {
            return true
        }
        guard edge.root == head.root, head.isSigned(by: keyring.signer.key), try head.isTimed(database) else {
            end("head", "is not the signed head of the entries that are there")
            return false
        }
        proven = head
        return true
    }

    /// Without its log, nothing can be said of the rows.
    private mutating func end(_ place: String, _ problem: String) {
        add(place, problem)
        stage = .done
    }

    // MARK: The rows

    private mutating func compare(
        _ table: Int, from first: Int64, _ keyring: Keyring, _ database: Database, _ isOver: () -> Bool
    ) throws {
        let layout = tables[table]
        let reader = RowReader(layout, keyring.rows)
        var next: Int64?
        var read = 0
        try database.forEachRow(layout.selectSQL + " WHERE id >= ? ORDER BY id", [.integer(first)]) {
            cursor in
            let row = reader.read(cursor)
            judge(row, table)
            read += 1
            guard read.isMultiple(of: 8), isOver(), row.id < .max else { return true }
            next = row.id + 1
            return false
        }
        stage = next.map { .rows(table: table, from: $0) } ?? .rows(table: table + 1, from: .min)
    }

    private mutating func judge(_ row: RowReader.Row, _ table: Int) {
        let layout = tables[table]
        let place = "\(layout.name) \(row.id)"
        if row.isTagged == false { add(place, "was changed from outside") }
        if let mark = last[table][row.id] {
            last[table][row.id] = Mark(leaf: mark.leaf, isMet: true)
            if mark.leaf != row.leaf {
                add(place, "is not what entry \(mark.leaf), the last that names it, says")
            }
        } else {
            add(place, "is there although the log does not say so")
        }
    }

    private var unmet: [RowName] {
        zip(tables, last).flatMap { layout, marks in
            marks.lazy.filter { !$1.isMet }.map { RowName(table: layout.number, id: $0.key) }
        }
    }

    /// Rows that came after their table was read, and rows that are gone.
    private mutating func lookFor(
        _ names: [RowName], _ keyring: Keyring, _ database: Database, _ isOver: () -> Bool
    ) throws {
        var rest = names
        while let name = rest.popLast() {
            try lookFor(name, keyring, database)
            if rest.count.isMultiple(of: 8), isOver() { break }
        }
        stage = rest.isEmpty ? .done : .missing(rest)
    }

    private mutating func lookFor(_ name: RowName, _ keyring: Keyring, _ database: Database) throws {
        // Deleted meanwhile.
        guard let table = positions[name.table], let mark = last[table][name.id] else { return }
        let layout = tables[table]
        let reader = RowReader(layout, keyring.rows)
        if let row = try database.firstRow(layout.selectByID, [.integer(name.id)], { reader.read($0) }) {
            judge(row, table)
        } else {
            add("\(layout.name) \(name.id)", "is missing; entry \(mark.leaf) says it is there")
        }
    }

    private mutating func add(_ place: String, _ problem: String) { report.add(place, problem) }
}
