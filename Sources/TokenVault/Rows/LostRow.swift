import GRDB
import VaultCore

/// A row that is not where it must be: a page of the database was lost or written to another place. Nobody
/// who asks for it is at fault, so it must not look like a row that was never there.
enum LostRow {
    static func error(_ layout: TableLayout, _ id: Int64) -> VaultError {
        error("Row \(id) of \(layout.name) is not where it must be")
    }

    /// An index that does not show what its table has.
    static func unindexed(_ layout: TableLayout) -> VaultError {
        error("An index of \(layout.name) is not what its table says")
    }

    private static func error(_ what: String) -> VaultError {
        VaultError(
            .integrity, what + ": the database file is damaged.",
            remedy: "Stop the service, keep a copy of the file, and restore a backup.")
    }
}

extension Database {
    /// Whether an index still names an owner that the table does not show. Deleting a row deletes it there too.
    func indexNames(_ owner: OwnerID) throws -> Bool {
        try firstRow(
            "SELECT 1 FROM owners INDEXED BY sqlite_autoindex_owners_1 WHERE +id = ?",
            [.integer(owner.rawValue)]
        ) { _ in true } ?? false
    }
}

/// Clients and their secrets as the tables have them, indexes left out: asked where an index shows none.
struct ClientCensus: Sendable {
    private let tags: Set<[UInt8]>
    private let secrets: [Int64: Int]

    /// - Throws: ``VaultError/Code/integrity`` for a client without its owner.
    init(_ database: Database) throws {
        var found: (tags: Set<[UInt8]>, secrets: [Int64: Int]) = ([], [:])
        try database.forEachRow(
            """
            SELECT clients.id, owners.id, owners.lookup_tag FROM clients NOT INDEXED
            LEFT JOIN owners ON owners.id = clients.id
            """
        ) { row in
            guard row.value(1) != .null else { throw LostRow.error(.owners, row.integer(0)) }
            if case .blob(let tag) = row.value(2) { found.tags.insert(tag) }
            return true
        }
        try database.forEachRow("SELECT client_id FROM client_secrets NOT INDEXED") { row in
            found.secrets[row.integer(0), default: 0] += 1
            return true
        }
        (tags, secrets) = found
    }

    /// - Throws: ``VaultError/Code/integrity`` when there is a client of one of these tags after all.
    func confirmUnknown(_ lookupTags: [[UInt8]]) throws {
        guard tags.isDisjoint(with: lookupTags) else { throw LostRow.unindexed(.owners) }
    }

    /// - Throws: ``VaultError/Code/integrity`` when the client has other secrets than these.
    func confirmAll(_ rows: [ClientSecretInfo], of client: OwnerID) throws {
        guard rows.count == secrets[client.rawValue, default: 0] else {
            throw LostRow.unindexed(.clientSecrets)
        }
    }
}
