import GRDB
public import VaultCore
import VaultCrypto

extension Vault {
    /// A filter for what a client did, and what was done to it and its grants.
    ///
    /// - Parameter client: its identifier or name.
    /// - Throws: ``VaultError/Code/notFound``.
    public func auditFilter(client: String) throws -> AuditFilter {
        let client = try self.client(client)
        return try filter(party: client.pseudonym, grants: "client_id", client.id)
    }

    /// A filter for what a user did, and what was done to it and its grants and connections.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for a user that was erased: nothing tells its entries any more.
    public func auditFilter(user: String) throws -> AuditFilter {
        let id = try self.user(named: user).id
        let owner = try snapshot { [registry] database, keys in
            try registry.owner(id, database, keys.keyring, revision: nil)
        }
        guard let owner else { throw Self.noUser }
        var filter = try filter(party: owner.pseudonym, grants: "owner_id", id)
        try collect("SELECT id FROM connections WHERE owner_id = ?", id, into: &filter)
        return filter
    }

    /// A filter for what was done with a token, whether it is known here or not.
    public func auditFilter(token: SecretBytes) -> AuditFilter {
        var filter = AuditFilter()
        filter.fingerprint = Hex.encode(TokenFingerprint.of(token))
        return filter
    }

    /// Entries that a filter wants, oldest first. One call looks at ``Limits/followedLeaves`` leaves at most,
    /// so that it is called until it is at the end.
    ///
    /// - Parameters:
    ///   - filter: learns on the way which grants belong to its party; hand the same one to every call.
    ///   - first: where to look first.
    /// - Returns: with `next`, where to look next.
    /// - Throws: ``VaultError/Code/integrity`` when an entry cannot be read.
    public func searchAudit(
        _ filter: inout AuditFilter, from first: Int64, limit: Int
    ) throws -> (entries: [AuditEntry], next: Int64, isEnd: Bool) {
        var wanted = filter
        defer { filter = wanted }
        return try store.readers().snapshot { database in
            let size = try LogHead.read(database).size
            let log = StoredLog(database)
            var start = max(first, try log.firstKept(size))
            if let since = wanted.since {
                start = max(start, try log.firstIndex(at: since, from: start, to: size))
            }
            let end = min(start + Limits.followedLeaves, size)
            var found: [AuditEntry] = []
            var next = max(end, first)
            var isOver = false
            try log.forEachLeaf(in: start..<max(start, end)) { leaf, bytes in
                if wanted.wants(leaf, bytes) { found.append(leaf.entry(of: bytes)) }
                // Leaves are in order of time.
                if let until = wanted.until, leaf.time >= until.millisecondsSince1970 { isOver = true }
                if found.count >= limit { next = leaf.index + 1 }
                return found.count < limit && !isOver
            }
            return (found, next, isOver || next >= size)
        }
    }

    private func filter(party: Pseudonym, grants column: String, _ owner: OwnerID) throws -> AuditFilter {
        var filter = AuditFilter()
        filter.party = Hex.encode(party.bytes)
        try collect("SELECT id FROM grants WHERE \(column) = ?", owner, into: &filter)
        return filter
    }

    private func collect(_ sql: String, _ owner: OwnerID, into filter: inout AuditFilter) throws {
        let ids = try store.readers().read { database in
            var ids: [Int64] = []
            try database.forEachRow(sql, [.integer(owner.rawValue)]) { row in
                ids.append(row.integer(0))
                return true
            }
            return ids
        }
        filter.grants.formUnion(ids)
    }
}
