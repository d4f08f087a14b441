import GRDB
import VaultCore
import VaultCrypto

/// Personal data outside the tree: each piece is the one its entry commits to.
extension AuditVerifier {
    mutating func verifyPersonalData(_ scan: LeafScan, _ keyring: Keyring) throws {
        let registry = Registry()
        var commitments = scan.commitments
        try database.forEachRow(
            "SELECT id, owner_id, sealed FROM audit_personal WHERE id >= ? ORDER BY id",
            [.integer(report.since == 0 ? .min : scan.first)]
        ) { row in
            let place = "personal data of entry \(row.integer(0))"
            guard let record = PersonalRecord(row) else {
                report.add(place, "is damaged")
                return true
            }
            let expected = commitments.removeValue(forKey: record.leaf)
            if let owner = expected?.owner, owner != record.owner.rawValue {
                report.add(place, "is filed under another owner")
                return true
            }
            do {
                guard let data = try record.open(database, keyring, registry) else { return true }
                if SHA256.hash(data) != expected?.hash {
                    report.add(place, "is not what the entry commits to")
                }
            } catch let error as VaultError where error.code == .integrity {
                report.add(place, "does not open")
            }
            return true
        }
        // Data goes before or with its leaf: that of an entry which may be gone by now may be missing.
        for leaf in commitments.keys.sorted() where leaf >= scan.announced {
            report.add("personal data of entry \(leaf)", "is missing")
        }
    }
}
