package import TokenVault
package import VaultCore
package import VaultCrypto
package import VaultStore

/// Names a piece of personal data.
package struct PersonalName: Hashable {
    package let leaf: Int64
    let part: PersonalPart

    fileprivate var place: String {
        (part == .subject ? "personal data" : "the actor's data") + " of entry \(leaf)"
    }
}

/// One row of `audit_personal`: salt and data, sealed under the owner's key.
package struct PersonalRecord {
    static let saltBytes = 16
    package static let selectSQL = "SELECT id, owner_id, sealed, part FROM audit_personal"
    package let name: PersonalName
    package let owner: OwnerID
    package let sealed: [UInt8]

    package init?(_ row: RowCursor) {
        guard case .blob(let sealed) = row.value(2),
            let part = UInt16(exactly: row.integer(3)).flatMap(PersonalPart.init(rawValue:))
        else { return nil }
        name = PersonalName(leaf: row.integer(0), part: part)
        owner = OwnerID(row.integer(1))
        self.sealed = sealed
    }

    package static func read(
        _ leaf: Int64, _ part: PersonalPart, _ database: Database
    ) throws -> PersonalRecord? {
        try database.firstRow(
            selectSQL + " WHERE id = ? AND part = ?", [.integer(leaf), .integer(Int64(part.rawValue))]
        ) {
            PersonalRecord($0)
        } ?? nil
    }

    /// What the sealed bytes are bound to.
    package func context(_ keyring: Keyring) -> AssociatedData {
        keyring.context(
            owner: owner, table: SealedTable.auditPersonal, column: name.part.rawValue, row: name.leaf)
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
        return try SealedField.open(sealed, with: owner.key(.common), for: context(keyring))
    }
}

/// What a piece of personal data outside the tree is, once opened.
struct PersonalFact: Sendable {
    enum Content: Sendable {
        /// SHA-256 over salt and data.
        case hash(Digest)
        /// The owner was erased, so the key is gone.
        case erased
        case unreadable
    }

    /// Nil: it is of no part there is.
    let name: PersonalName?
    let leaf, owner: Int64
    let content: Content

    /// Those of the entries from `first` on.
    static func read(_ database: Database, _ keyring: Keyring, from first: Int64) throws -> [PersonalFact] {
        let registry = Registry()
        return try database.rows(
            PersonalRecord.selectSQL + " WHERE id >= ? ORDER BY id, part", [.integer(first)]
        ) { row in
            let record = PersonalRecord(row)
            return PersonalFact(
                name: record?.name, leaf: row.integer(0), owner: row.integer(1),
                content: try open(record, database, keyring, registry))
        }
    }

    private static func open(
        _ record: PersonalRecord?, _ database: Database, _ keyring: Keyring, _ registry: Registry
    ) throws -> Content {
        guard let record else { return .unreadable }
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
            let place = fact.name?.place ?? "personal data of entry \(fact.leaf)"
            let expected = fact.name.flatMap { commitments.removeValue(forKey: $0) }
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
        let missing = commitments.keys.filter { $0.leaf >= scan.announced }
        for name in missing.sorted(by: { $0.leaf < $1.leaf }) { report.add(name.place, "is missing") }
    }
}
