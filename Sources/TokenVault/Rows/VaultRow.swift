import GRDB
import VaultCore

/// The one row of `vault`: what every transaction reads first.
struct VaultRow: Sendable, Equatable {
    let id: VaultID
    let createdAt: VaultInstant
    let keyEpoch: Int64
    /// Goes up with every change to owners, clients, secrets and keys: caches of those are as old as it.
    var registryRevision: Int64
    var nextOwnerID: Int64
    var nextGrantID: Int64
    var nextSecretID: Int64
    var nextKeyID: Int64
    var heartbeatAt: VaultInstant
    /// Milliseconds during which nobody served.
    var outage: Int64

    static let format: Int64 = 1

    /// `now` on the serving clock: the wall clock less all outages.
    func serving(at now: VaultInstant) -> VaultInstant {
        now.advanced(by: .milliseconds(-outage))
    }
}

extension VaultRow {
    private static let selectSQL = """
        SELECT format, vault_id, created_at, key_epoch, registry_revision, next_owner_id, next_grant_id,
               next_secret_id, next_key_id, heartbeat_at, outage
        FROM vault WHERE id = 1
        """

    /// - Throws: ``VaultError/Code/notAVault`` when the row is missing or of another format.
    static func read(_ database: Database) throws -> VaultRow {
        let row = try database.firstRow(selectSQL) { cursor -> VaultRow? in
            guard cursor.integer(0) == format, case .blob(let bytes) = cursor.value(1),
                let id = VaultID(bytes: bytes)
            else { return nil }
            return VaultRow(
                id: id,
                createdAt: VaultInstant(millisecondsSince1970: cursor.integer(2)),
                keyEpoch: cursor.integer(3),
                registryRevision: cursor.integer(4),
                nextOwnerID: cursor.integer(5),
                nextGrantID: cursor.integer(6),
                nextSecretID: cursor.integer(7),
                nextKeyID: cursor.integer(8),
                heartbeatAt: VaultInstant(millisecondsSince1970: cursor.integer(9)),
                outage: cursor.integer(10))
        }
        guard let row = row ?? nil else {
            throw VaultError(
                .notAVault, "The database has no vault record of a format this program knows.",
                remedy: "Check the path given with --vault.")
        }
        return row
    }

    func update(_ database: Database) throws {
        try database.run(
            """
            UPDATE vault SET registry_revision = ?, next_owner_id = ?, next_grant_id = ?, next_secret_id = ?,
                next_key_id = ?, heartbeat_at = ?, outage = ? WHERE id = 1
            """,
            [
                .integer(registryRevision), .integer(nextOwnerID), .integer(nextGrantID),
                .integer(nextSecretID),
                .integer(nextKeyID), SQLValue(heartbeatAt), .integer(outage),
            ])
    }

    func insert(_ database: Database) throws {
        try database.run(
            "INSERT INTO vault VALUES (1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                .integer(Self.format), .blob(id.bytes), SQLValue(createdAt), .integer(keyEpoch),
                .integer(registryRevision), .integer(nextOwnerID), .integer(nextGrantID),
                .integer(nextSecretID),
                .integer(nextKeyID), SQLValue(heartbeatAt), .integer(outage),
            ])
    }
}
