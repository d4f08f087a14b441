import GRDB
public import VaultCore
import VaultCrypto

/// What erasing a user did.
public struct Erasure: Sendable {
    /// Grants that ended with it.
    public let grants: Int64
    /// Connections that were deleted. Their tokens may still be valid at the providers.
    public let connections: Int64
    /// Backups that may still be kept: with their keys they can open what was erased.
    public let backups: Int
    /// Until when the last of them is kept; nil when there is none, or nobody said.
    public let backupsKeptUntil: VaultInstant?
}

extension Vault {
    /// Destroys a user's key, and with it everything that was sealed under it: name, grants, connections, and the personal data
    /// of the log.
    ///
    /// Every proof of the log stays valid. When this returns neither the database nor its WAL holds the key any more;
    /// older backups do. Tokens of the user's connections are not revoked at their providers: do that before.
    ///
    /// - Parameter name: also of a user that was removed.
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/busy`` when the WAL could not be emptied because of a
    ///   reader: the user is erased then, and the same call again finishes.
    public func eraseUser(_ name: String) async throws -> Erasure {
        guard let id = try userToErase(name) else {
            // A second call after a crash finds nobody of this name, and still has the WAL to empty.
            try await truncateWAL()
            throw Self.noUser
        }
        let connections = try await deleteSealedRows(of: id)
        let grants = try await write(.finishing) { [operatorActor] transaction in
            guard var row = try transaction.load(OwnerRow.self, id.rawValue)?.row, row.wrappedKey != nil,
                let owner = try transaction.owner(id)
            else { throw Self.noUser }
            try transaction.erase(&row)
            let grants = try transaction.database.firstRow(
                "SELECT count(*) FROM grants WHERE owner_id = ? AND state = 1", [.integer(id.rawValue)]
            ) { $0.integer(0) }
            var event = AuditEvent(.userErase, by: operatorActor)
            event.subject = owner.pseudonym
            return Audited(grants ?? 0, event)
        }
        try await forgetConsents(of: .user(id))
        // What began before the key was destroyed may have written a row since.
        let late = try await deleteSealedRows(of: id)
        try await truncateWAL()
        let kept = try keptBackups()
        let isDated = kept.allSatisfy { $0.keepUntil != nil }
        return Erasure(
            grants: grants, connections: connections + late, backups: kept.count,
            backupsKeptUntil: isDated ? kept.compactMap(\.keepUntil).max() : nil)
    }

    /// Those that nobody has promised to have destroyed by now.
    private func keptBackups() throws -> [BackupRow] {
        let now = clock.now()
        return try snapshot { database, keys in
            try database.loadAll(
                BackupRow.self, where: "keep_until IS NULL OR keep_until > ?", [SQLValue(now)], keys.keyring)
        }
    }

    private func userToErase(_ name: String) throws -> OwnerID? {
        try snapshot { database, keys in
            let keyring = keys.keyring
            let tags = keyring.lookup.tags(.userName, of: Array(name.utf8))
            if let id = try database.ownerID(tags: tags), let owner = try database.owner(id, keyring),
                owner.row.kind == .user
            {
                return id
            }
            var found: OwnerID?
            try database.forEachRow(
                "SELECT id FROM owners WHERE kind = 2 AND state = 3 AND wrapped_key IS NOT NULL ORDER BY id"
            ) { row in
                let id = OwnerID(row.integer(0))
                if try database.owner(id, keyring)?.identity(keyring) == Array(name.utf8) { found = id }
                return found == nil
            }
            return found
        }
    }

    /// Passwords, consents that were begun, and connections: rows that mean nothing without the key.
    private func deleteSealedRows(of id: OwnerID) async throws -> Int64 {
        var connections: Int64 = 0
        for (layout, column) in [
            (TableLayout.passwords, "id"), (.authorizationRequests, "owner_id"), (.connections, "owner_id"),
        ] {
            while true {
                let count = try await queue.submit(.finishing) { [operatorActor] transaction in
                    var ids: [Int64] = []
                    try transaction.database.forEachRow(
                        "SELECT id FROM \(layout.name) WHERE \(column) = ? LIMIT ?",
                        [.integer(id.rawValue), .integer(Int64(Limits.rowsPerLeaf))]
                    ) {
                        ids.append($0.integer(0))
                        return true
                    }
                    guard !ids.isEmpty else { return (0, []) }
                    for id in ids { try transaction.delete(layout, id: id) }
                    var event = AuditEvent(.userErase, by: operatorActor)
                    event.reason = layout.name
                    event.count = ids.count
                    event.subject = try transaction.owner(id)?.pseudonym
                    return (ids.count, [event])
                }
                if layout.number == TableLayout.connections.number { connections += Int64(count) }
                if count < Limits.rowsPerLeaf { break }
            }
        }
        return connections
    }
}

extension OwnerRow {
    /// Every grant ends, and the name is free again.
    mutating func remove() {
        state = .removed
        revocations += 1
        lookupTag = nil
    }
}

extension WriteTransaction {
    /// Destroys a user's key; the key before it would open what is left as well.
    func erase(_ row: inout OwnerRow) throws {
        row.remove()
        row.wrappedKey = nil
        row.identity = nil
        row.pseudonym = nil
        try update(row)
        if try load(PreviousOwnerKeyRow.self, row.rowID) != nil {
            try delete(.previousOwnerKeys, id: row.rowID)
        }
        touchRegistry()
    }
}
