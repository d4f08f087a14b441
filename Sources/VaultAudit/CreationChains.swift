import TokenVault
import VaultCore
import VaultStore

/// The running numbers of creations, followed from entry to entry: each goes on from the last of one owner.
///
/// Memory: 16 bytes and slack for each owner.
struct CreationChains {
    /// The last entry of each owner, and its number.
    private(set) var tips: [Int64: Int64] = [:]

    /// - Parameter first: the entries before it were not read.
    /// - Returns: false where it repeats a number, or leaves one out.
    mutating func take(_ creation: Creation, at index: Int64, first: Int64) -> Bool {
        defer { tips[index] = creation.number }
        guard let previous = creation.previous, previous >= first else { return true }
        return tips.removeValue(forKey: previous) == creation.number - 1
    }
}

extension AuditVerifier {
    /// Each owner's row names the last of its creations: an older row would number from there again, and leave out what
    /// came since.
    mutating func verifyCreations(_ scan: LeafScan) throws {
        guard !scan.isTorn, try database.hasTable(TableLayout.owners.name) else { return }
        var tips = scan.creations.tips
        try database.forEachRow("SELECT id, creations, last_creation FROM owners WHERE creations > 0") {
            row in
            let (count, last) = (row.integer(1), row.integer(2))
            if tips.removeValue(forKey: last) != count, last >= scan.firstRead ?? 0 {
                report.add(
                    "owners \(row.integer(0))", "does not name the last entry of what was created for it")
            }
            return true
        }
        // An old row names another entry, and one that is missing names none: both were named above.
        let isNamed = report.findings.contains { $0.place.hasPrefix("owners ") }
        for entry in tips.keys.sorted() where !isNamed {
            report.add("owners", "do not know of what was created in entry \(entry)")
        }
    }
}
