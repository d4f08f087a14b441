import GRDB
import VaultCore
import VaultCrypto

/// One row of `audit_personal`: salt and data, sealed under the owner's key.
struct PersonalRecord {
    static let saltBytes = 16
    let leaf: Int64
    let owner: OwnerID
    let sealed: [UInt8]

    init?(_ row: RowCursor) {
        guard case .blob(let sealed) = row.value(2) else { return nil }
        leaf = row.integer(0)
        owner = OwnerID(row.integer(1))
        self.sealed = sealed
    }

    static func read(_ leaf: Int64, _ database: Database) throws -> PersonalRecord? {
        try database.firstRow(
            "SELECT id, owner_id, sealed FROM audit_personal WHERE id = ?", [.integer(leaf)]
        ) {
            PersonalRecord($0)
        } ?? nil
    }

    /// What the sealed bytes are bound to.
    func context(_ keyring: Keyring) -> AssociatedData {
        keyring.context(owner: owner, table: SealedTable.auditPersonal, column: 1, row: leaf)
    }

    /// Salt ‖ data. Nil: the owner was erased.
    func open(_ database: Database, _ keyring: Keyring, _ registry: Registry) throws -> [UInt8]? {
        guard let owner = try registry.owner(owner, database, keyring, revision: nil) else {
            // Erased is a state of a row that is there.
            guard try database.load(OwnerRow.self, self.owner.rawValue, keyring) != nil else {
                throw VaultError(.integrity, "Personal data is filed under an owner that never was.")
            }
            return nil
        }
        return try SealedField.open(
            sealed, with: owner.key,
            for: context(keyring))
    }
}

/// What a piece of personal data outside the tree is, once opened.
struct PersonalFact: Sendable {
    enum Content: Sendable {
        /// SHA-256 over salt and data.
        case hash(Digest)
        /// Its owner's key is gone, as it should be.
        case erased
        case unreadable
    }

    let leaf, owner: Int64
    let content: Content

    /// Those of the entries from `first` on.
    static func read(_ database: Database, _ keyring: Keyring, from first: Int64) throws -> [PersonalFact] {
        let registry = Registry()
        var facts: [PersonalFact] = []
        try database.forEachRow(
            "SELECT id, owner_id, sealed FROM audit_personal WHERE id >= ? ORDER BY id", [.integer(first)]
        ) { row in
            facts.append(
                PersonalFact(
                    leaf: row.integer(0), owner: row.integer(1),
                    content: try open(row, database, keyring, registry)))
            return true
        }
        return facts
    }

    private static func open(
        _ row: RowCursor, _ database: Database, _ keyring: Keyring, _ registry: Registry
    ) throws -> Content {
        guard let record = PersonalRecord(row) else { return .unreadable }
        do {
            guard let data = try record.open(database, keyring, registry) else { return .erased }
            return .hash(SHA256.hash(data))
        } catch let error as VaultError where error.code == .integrity {
            return .unreadable
        }
    }
}

extension AuditVerifier {
    /// Each piece is the one its entry commits to.
    mutating func verifyPersonalData(_ facts: [PersonalFact], _ scan: LeafScan) {
        var commitments = scan.commitments
        for fact in facts {
            let place = "personal data of entry \(fact.leaf)"
            let expected = commitments.removeValue(forKey: fact.leaf)
            if let owner = expected?.owner, owner != fact.owner {
                report.add(place, "is filed under another owner")
                continue
            }
            switch fact.content {
            case .erased: continue
            case .unreadable: report.add(place, "does not open")
            case .hash(let hash):
                if hash != expected?.hash { report.add(place, "is not what the entry commits to") }
            }
        }
        // Data goes with its leaf: that of an entry which may be gone by now may be missing.
        for leaf in commitments.keys.sorted() where leaf >= scan.announced {
            report.add("personal data of entry \(leaf)", "is missing")
        }
    }
}
