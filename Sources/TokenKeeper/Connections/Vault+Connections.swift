public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// The connections to list.
public struct ConnectionFilter: Sendable {
    public var provider: ProviderID?
    public var owner: OwnerID?
    public var state: ConnectionState?
    public var after = ConnectionID(0)
    public var limit = 1000

    public init() {}
}

extension Vault {
    /// - Throws: ``VaultError/Code/notFound``.
    public func connection(_ id: ConnectionID) async throws -> Connection {
        try await heldConnection(id).connection
    }

    /// The connection of an owner at a provider. Nil: the owner has no such connection.
    package func connection(at provider: ProviderID, of owner: OwnerID, label: String) async throws
        -> Connection?
    {
        try await snapshot { [registry] database, keys in
            let keyring = keys.keyring
            let tags = keyring.connectionTags(provider, owner, label)
            guard let row = try database.connection(tags: tags, keyring) else { return nil }
            return try database.opened(row, keys, registry) { Connection($0, try $0.details($1, keyring)) }
        }
    }

    /// A connection with its tokens, as of now: no lock, no write.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/integrity`` for an edited row.
    package func heldConnection(_ id: ConnectionID) async throws -> HeldConnection {
        try await snapshot { [registry] database, keys in
            let keyring = keys.keyring
            guard let row = try database.load(ConnectionRow.self, id.rawValue, keyring)?.row else {
                throw Self.noConnection
            }
            return try database.opened(row, keys, registry) { try HeldConnection($0, $1, keyring) }
        }
    }

    /// Lists connections in the order they were made, at most `limit` after `after`.
    public func connections(_ filter: ConnectionFilter = ConnectionFilter()) async throws -> [Connection] {
        try await scan { [registry] database, keys in
            try database.page(
                ConnectionRow.self, after: filter.after.rawValue, limit: filter.limit,
                [
                    "provider_id": filter.provider?.rawValue, "owner_id": filter.owner?.rawValue,
                    "state": filter.state?.rawValue,
                ], keys.keyring
            ).map { row in
                try database.opened(row, keys, registry) {
                    Connection($0, try $0.details($1, keys.keyring))
                }
            }
        }
    }

    /// Connections of one provider that want to be looked at by `now`, longest due first. Provider by
    /// provider, so that one with many that cannot be served does not stand before the others. For the same
    /// reason those that the provider refused are asked for apart from the rest.
    ///
    /// - Parameter wereRefused: those whose last refresh was refused, or the others.
    package func connectionsDue(
        at provider: ProviderID, by now: VaultInstant, wereRefused: Bool, limit: Int,
        except others: Set<ConnectionID> = []
    ) async throws -> [ConnectionID] {
        try await dueConnections(
            "due_at <= ? AND \(wereRefused ? "NOT " : "")\(Self.isUnrefused)",
            [.integer(provider.rawValue), SQLValue(now)], limit, except: others)
    }

    /// The connection to probe a stopped provider with. Of those that were not refused, if there are any, the
    /// one that the provider gave tokens last. If it is refused too, the client is likely to blame.
    package func connectionToProbe(_ provider: ProviderID, except others: Set<ConnectionID>) async throws
        -> ConnectionID?
    {
        let isRefreshed = "state IN (1, 5)"
        for condition in ["\(isRefreshed) AND \(Self.isUnrefused)", isRefreshed] {
            let found = try await dueConnections(
                "due_at IS NOT NULL AND \(condition)", [.integer(provider.rawValue)], 1,
                by: "coalesce(issued_at, 0) DESC", except: others)
            if let found = found.first { return found }
        }
        return nil
    }

    private func dueConnections(
        _ condition: String, _ values: [SQLValue], _ limit: Int, by order: String = "due_at",
        except others: Set<ConnectionID>
    ) async throws -> [ConnectionID] {
        guard limit > 0 else { return [] }
        return try await scan { database, _ in
            var due: [ConnectionID] = []
            try database.forEachRow(
                "SELECT id FROM connections WHERE provider_id = ? AND \(condition) ORDER BY \(order) LIMIT ?",
                values + [.integer(Int64(limit) + Int64(others.count))]
            ) { row in
                let id = ConnectionID(row.integer(0))
                if !others.contains(id) { due.append(id) }
                return due.count < limit
            }
            return due
        }
    }

    /// ``LeafReason/isOutage(_:)``, or no trouble at all.
    private static let isUnrefused = """
        (reason IS NULL OR reason = '\(LeafReason.busy)' OR \(begins(with: LeafReason.notSentPrefix))
        OR \(begins(with: LeafReason.noAnswerPrefix)))
        """

    private static func begins(with prefix: String) -> String {
        "substr(reason, 1, \(prefix.count)) = '\(prefix)'"
    }
}

extension Database {
    func connection(tags: [[UInt8]], _ keyring: Keyring) throws -> ConnectionRow? {
        try tags.firstValue { tag in
            try loadAll(ConnectionRow.self, where: "lookup_tag = ?", [.blob(tag)], keyring).first
        }
    }

    /// Hands a row to `body` with the owner whose key opens it.
    func opened<Result>(
        _ row: ConnectionRow, _ keys: SnapshotKeys, _ registry: Registry,
        _ body: (ConnectionRow, Owner) throws -> Result
    ) throws -> Result {
        let revision = try keys.checkedRevision(self)
        guard let owner = try registry.owner(row.owner, self, keys.keyring, revision: revision) else {
            throw VaultError(.notFound, "The owner of the connection was erased.")
        }
        return try body(row, owner)
    }
}

extension WriteTransaction {
    func owner(of row: ConnectionRow) throws -> Owner {
        guard let owner = try owner(row.owner) else {
            throw VaultError(.notFound, "The owner of the connection was erased.")
        }
        return owner
    }

    func held(_ row: ConnectionRow) throws -> HeldConnection {
        try HeldConnection(row, owner(of: row), keyring)
    }
}

extension Vault {
    /// Entries about connections and providers from index `first` on, oldest first; those about anything else
    /// are passed over undecoded. One call looks at ``Limits/followedLeaves`` leaves at most.
    ///
    /// - Returns: each with its provider as the rows are now, nil where they are gone; with `next`, where to look next:
    ///   `first` where the log has not grown.
    /// - Throws: ``VaultError/Code/integrity`` when one cannot be read.
    package func connectionEntries(
        from first: Int64, limit: Int
    ) async throws -> (
        entries: [(entry: AuditEntry, provider: ProviderID?, providerName: String?)], next: Int64, isEnd: Bool
    ) {
        let first = max(first, 0)
        return try await scan { database, keys in
            let keyring = keys.keyring
            let size = try database.count("SELECT size FROM audit_head WHERE id = 1")
            guard first < size else { return ([], first, true) }
            let end = min(first + Limits.followedLeaves, size)
            var found: [AuditEntry] = []
            try database.forEachRow(
                "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
                [.integer(first), .integer(end)]
            ) { row in
                guard case .blob(let bytes) = row.value(1) else {
                    throw StoredLog.unreadable(row.integer(0))
                }
                guard Self.isAboutConnections(bytes) else { return true }
                guard let entry = AuditLeaf.decode(bytes), entry.index == row.integer(0) else {
                    throw StoredLog.unreadable(row.integer(0))
                }
                found.append(entry)
                return found.count < limit
            }
            let next = found.count == limit ? (found.last?.index ?? first) + 1 : end
            return (try found.map { try database.naming($0, keyring) }, next, next >= size)
        }
    }

    /// Whatever the numbers before it, `op` begins within the first 160 bytes of a leaf, and nothing from outside does.
    private static func isAboutConnections(_ leaf: [UInt8]) -> Bool {
        let start = leaf.prefix(160)
        return connectionMarks.contains { start.firstRange(of: $0) != nil }
    }

    private static let connectionMarks = ["connection.", "provider."].map { Array("\"op\":\"\($0)".utf8) }
}

extension Database {
    /// Which provider an entry is about: leaves name the row that changed and no other.
    fileprivate func naming(
        _ entry: AuditEntry, _ keyring: Keyring
    ) throws -> (entry: AuditEntry, provider: ProviderID?, providerName: String?) {
        guard let id = entry.grant else { return (entry, nil, nil) }
        let isProvider = entry.operation.hasPrefix("provider.")
        let provider = isProvider ? ProviderID(id) : try row(ConnectionRow.self, id, keyring)?.provider
        return (
            entry, provider, try provider.flatMap { try row(ProviderRow.self, $0.rawValue, keyring)?.name }
        )
    }

    /// An edited row names no user: its reader is told, and readers of the log go on.
    private func row<Row: TypedRow>(_: Row.Type, _ id: Int64, _ keyring: Keyring) throws -> Row? {
        do { return try load(Row.self, id, keyring)?.row } catch let error as VaultError
            where error.code == .integrity
        { return nil }
    }
}
