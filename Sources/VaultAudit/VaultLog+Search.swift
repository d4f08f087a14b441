public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// Which entries of the log are wanted; every condition that is set must hold.
public struct AuditFilter: Sendable {
    /// Pseudonyms in hexadecimal; entries by or about one of them, or about a grant of theirs.
    var party: String?
    /// Grants and connections; entries about one of them. Those of the party are added as its entries name
    /// them: rows of expired grants are gone.
    var grants: Set<Int64> = []
    /// Owner of all of these, where one is known: entries about many name each by a hash that takes its pseudonym.
    var owner: Pseudonym?
    /// First 16 bytes of a token's SHA-256, in hexadecimal.
    var fingerprint: String?
    public var since: VaultInstant?
    /// The end of the period, exclusive.
    public var until: VaultInstant?
    /// `ok`, `replayed`, `refused` or `revoked`.
    public var outcome: String?
    /// A verb as `token.refresh`, or the first part of it as `token`.
    public var operation: String?

    public init() {}

    /// Entries of the party of another filter.
    public mutating func restrict(to other: AuditFilter) {
        party = other.party
        grants = other.grants
        owner = other.owner
    }

    /// Whether an entry names one of the grants, by its number or by its hash.
    public func names(_ entry: AuditEntry) -> Bool {
        if let grant = entry.grant, grants.contains(grant) { return true }
        return namesOne(of: entry.grants, in: entry.index)
    }

    private func namesOne(of marks: @autoclosure () -> [String], in leaf: Int64) -> Bool {
        guard let owner, !grants.isEmpty else { return false }
        let marks = Set(marks())
        return !marks.isEmpty && grants.contains { marks.contains(GrantMark.text($0, of: owner, in: leaf)) }
    }

    /// Whether the leaf is wanted; learns from it which grants are the party's.
    mutating func wants(_ leaf: LeafFields, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let isOfParty =
            party.map { party in
                bytes.has(party, at: leaf.actor) || leaf.subject.map { bytes.has(party, at: $0) } ?? false
            } ?? false
        if isOfParty, let grant = leaf.grant { grants.insert(grant) }
        if party != nil || !grants.isEmpty {
            let isAbout =
                leaf.grant.map(grants.contains) ?? false
                || namesOne(
                    of: leaf.grants.map { String(decoding: bytes[$0], as: UTF8.self) }, in: leaf.index)
            guard isOfParty || isAbout else { return false }
        }
        if let since, leaf.wall < since.millisecondsSince1970 { return false }
        if let until, leaf.wall >= until.millisecondsSince1970 { return false }
        if let outcome, !bytes.has(outcome, at: leaf.outcome) { return false }
        if let fingerprint, !(leaf.fingerprint.map { bytes.has(fingerprint, at: $0) } ?? false) {
            return false
        }
        guard let operation else { return true }
        return bytes.has(operation, at: leaf.operation)
            || bytes[leaf.operation].starts(with: (operation + ".").utf8)
    }
}

extension UnsafeRawBufferPointer {
    fileprivate func has(_ value: String, at text: LeafFields.Text) -> Bool {
        self[text].elementsEqual(value.utf8)
    }
}

extension VaultLog {
    /// A filter for entries about one grant or connection.
    public func filter(grant: Int64) async throws -> AuditFilter {
        var filter = AuditFilter()
        filter.grants = [grant]
        filter.owner = try await vault.snapshot { database, keys in
            let owner =
                try database.load(GrantRow.self, grant, keys.keyring)?.row.owner
                ?? database.load(ConnectionRow.self, grant, keys.keyring)?.row.owner
            return try owner.flatMap {
                try vault.registry.owner($0, database, keys.keyring, revision: nil)?.pseudonym
            }
        }
        return filter
    }

    /// A filter for what a client did, and what was done to it and its grants; the first uses of these, which are noted for
    /// many at once, are left out.
    ///
    /// - Parameter client: its identifier or name.
    /// - Throws: ``VaultError/Code/notFound``.
    public func filter(client: String) async throws -> AuditFilter {
        let client = try await vault.clients.find(client)
        return try await filter(party: client.pseudonym, grants: "client_id", client.id)
    }

    /// A filter for what a user did, and what was done to it and its grants and connections.
    ///
    /// - Throws: ``VaultError/Code/notFound``, also for a user that was erased: nothing tells its entries any more.
    public func filter(user: String) async throws -> AuditFilter {
        let id = try await vault.users.find(user).id
        let owner = try await vault.snapshot { database, keys in
            try vault.registry.owner(id, database, keys.keyring, revision: nil)
        }
        guard let owner else { throw Vault.noUser }
        var filter = try await filter(party: owner.pseudonym, grants: "owner_id", id)
        filter.owner = owner.pseudonym
        try await collect("SELECT id FROM connections WHERE owner_id = ?", id, into: &filter)
        return filter
    }

    /// A filter for what was done with a token, whether it is known here or not.
    public func filter(token: SecretBytes) -> AuditFilter {
        var filter = AuditFilter()
        filter.fingerprint = Hex.encode(TokenFingerprint.of(token))
        return filter
    }

    /// Entries that a filter wants, oldest first, up to those that are there now.
    ///
    /// ```swift
    /// for try await entry in vault.log.entries(matching: try await vault.log.filter(user: "alice")) {
    ///     print(entry.wall, entry.operation)
    /// }
    /// ```
    ///
    /// - Parameters:
    ///   - filter: every condition of it holds for each entry; an empty filter wants all entries.
    ///   - first: the index to begin at.
    /// - Throws: while it is read, ``VaultError/Code/integrity`` when an entry cannot be read.
    public func entries(
        matching filter: AuditFilter = AuditFilter(), from first: Int64 = 0
    ) -> AuditEntries {
        AuditEntries(log: self, filter: filter, first: first)
    }

    /// Looks at ``Limits/followedLeaves`` leaves at most.
    ///
    /// - Returns: the filter with what it learned, and where to look next.
    fileprivate func page(
        _ filter: AuditFilter, from first: Int64, limit: Int
    ) async throws -> (entries: [AuditEntry], filter: AuditFilter, next: Int64, isEnd: Bool) {
        try await vault.scan { database, keys in
            var wanted = filter
            let size = try LogHead.read(database).size
            let log = StoredLog(database)
            var start = max(first, try log.firstKept(size))
            if let since = wanted.since {
                start = max(start, try log.firstIndex(at: since, from: start, to: size))
            }
            let end = min(start + Limits.followedLeaves, size)
            var found: [AuditEntry] = []
            var next = max(end, first)
            try log.forEachLeaf(in: start..<max(start, end)) { leaf, bytes in
                if wanted.wants(leaf, bytes) {
                    var entry = leaf.entry(of: bytes)
                    entry.addActor(database, keys.keyring, vault.registry)
                    found.append(entry)
                }
                if found.count >= limit { next = leaf.index + 1 }
                return found.count < limit
            }
            return (found, wanted, next, next >= size)
        }
    }

    private func filter(party: Pseudonym, grants column: String, _ owner: OwnerID) async throws -> AuditFilter
    {
        var filter = AuditFilter()
        filter.party = Hex.encode(party.bytes)
        try await collect("SELECT id FROM grants WHERE \(column) = ?", owner, into: &filter)
        return filter
    }

    private func collect(_ sql: String, _ owner: OwnerID, into filter: inout AuditFilter) async throws {
        let ids = try await vault.scan { database, _ in
            try database.rows(sql, [.integer(owner.rawValue)]) { $0.integer(0) }
        }
        filter.grants.formUnion(ids)
    }
}

/// Entries of the log, read as they are asked for.
public struct AuditEntries: AsyncSequence, Sendable {
    let log: VaultLog
    let filter: AuditFilter
    let first: Int64

    public func makeAsyncIterator() -> Iterator { Iterator(log, filter, first) }

    public struct Iterator: AsyncIteratorProtocol {
        private let log: VaultLog
        /// Learns on the way which grants belong to its party.
        private var filter: AuditFilter
        private var following: Int64
        private var isEnd = false
        private var entries: ArraySlice<AuditEntry> = []

        init(_ log: VaultLog, _ filter: AuditFilter, _ first: Int64) {
            (self.log, self.filter, following) = (log, filter, first)
        }

        public mutating func next() async throws -> AuditEntry? {
            if entries.isEmpty { entries = try await page(limit: 1000)[...] }
            return entries.popFirst()
        }

        /// The next entries together; none: it is at the end.
        package mutating func page(limit: Int) async throws -> [AuditEntry] {
            while !isEnd {
                let page = try await log.page(filter, from: following, limit: limit)
                (filter, following, isEnd) = (page.filter, page.next, page.isEnd)
                if !page.entries.isEmpty { return page.entries }
            }
            return []
        }
    }
}
