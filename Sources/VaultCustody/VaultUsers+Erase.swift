public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// The result of erasing a user.
public struct Erasure: Sendable {
    /// The number of grants that ended.
    public let grants: Int64
    /// The number of connections that were deleted. Their tokens may still be valid at the providers.
    public let connections: Int64
    /// The number of backups that may still be kept: with their keys they can open what was erased.
    public let backups: Int
    /// The time until which the last of them is kept; nil without such a backup, or if not known.
    public let backupsKeptUntil: VaultInstant?
}

extension VaultUsers {
    /// Destroys a user's keys, and with them everything that was sealed under them: name, grants, connections, and the personal data
    /// of the log.
    ///
    /// Every proof of the log stays valid. When this returns neither the database nor its WAL holds the key any more;
    /// older backups do. Tokens of the user's connections are not revoked at their providers: do that before.
    ///
    /// - Parameter name: also of a user that was removed.
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/denied`` where the vault was opened for one role;
    ///   ``VaultError/Code/busy`` when the WAL could not be emptied because of a
    ///   reader: the user is erased then, and the same call again finishes.
    public func erase(_ name: String) async throws -> Erasure {
        _ = try vault.keyring.root
        guard let id = try await userToErase(name) else {
            // A second call after a crash finds nobody of this name, and still has the WAL to empty.
            try await vault.truncateWAL()
            throw Vault.noUser
        }
        let connections = try await vault.deleteSealedRows(of: id)
        let grants = try await vault.write(.finishing) { transaction in
            guard var row = try transaction.load(OwnerRow.self, id.rawValue)?.row, row.pseudonym != nil,
                let owner = try transaction.owner(id)
            else { throw Vault.noUser }
            try transaction.erase(&row)
            let grants = try transaction.database.count(
                "SELECT count(*) FROM grants WHERE owner_id = ? AND state = 1", [.integer(id.rawValue)])
            return Audited(grants, AuditEvent(.userErase, by: vault.operatorActor, subject: owner.pseudonym))
        }
        try await vault.forgetConsents(of: id)
        // What began before the key was destroyed may have written a row since.
        let late = try await vault.deleteSealedRows(of: id)
        try await vault.truncateWAL()
        let kept = try await keptBackups()
        let isDated = kept.allSatisfy { $0.keepUntil != nil }
        return Erasure(
            grants: grants, connections: connections + late, backups: kept.count,
            backupsKeptUntil: isDated ? kept.compactMap(\.keepUntil).max() : nil)
    }

    /// Backups that may still exist: their time is not over, or not known.
    private func keptBackups() async throws -> [BackupRecord] {
        let now = vault.clock.now()
        return try await vault.scan { database, keys in
            try database.loadAll(
                BackupRecord.self, where: "keep_until IS NULL OR keep_until > ?", [SQLValue(now)],
                keys.keyring)
        }
    }

    private func userToErase(_ name: String) async throws -> OwnerID? {
        try await vault.scan { database, keys in
            let keyring = keys.keyring
            if let owner = try database.user(named: name, keyring) { return owner.row.id }
            var found: OwnerID?
            try database.forEachRow(
                "SELECT id FROM owners WHERE kind = 2 AND state = 3 AND pseudonym IS NOT NULL ORDER BY id"
            ) { row in
                let id = OwnerID(row.integer(0))
                let identity = try database.owner(id, keyring)?.identity(keyring)
                if identity.map(UserName.folded) == UserName.folded(name) { found = id }
                return found == nil
            }
            return found
        }
    }
}
