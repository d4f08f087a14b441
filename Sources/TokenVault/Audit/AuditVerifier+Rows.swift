import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

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
            guard try database.tableExists(layout.name) else { continue }
            var reader = RowReader(layout, keyring?.rows)
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
        if row.isTagged == false { problems.append("was changed from outside") }
        if let last {
            if last.hash == nil {
                problems.append("is there although entry \(last.leaf) deleted it")
            } else if last.hash != row.hash || last.leaf != row.leaf {
                problems.append("is not what entry \(last.leaf), the last that names it, says")
            }
        } else if try !row.isExpiredAndNamed(in: layout, before: firstKeptDay, database) {
            problems.append("is named by no entry")
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
        for layout in TableLayout.tagged where try database.tableExists(layout.name) {
            try database.forEachRow("PRAGMA integrity_check(\(layout.name))") { row in
                if case .text(let answer) = row.value(0), answer != "ok" {
                    report.add("\(layout.name)", "has an index that does not fit: \(answer)")
                }
                return true
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
                affected.formUnion(entry.grants)
                return true
            }
        }
    }

    /// Damaged entries looked at for grants: a report names no more than fit on a screen anyway.
    private static let examined: Int64 = 10_000
}
