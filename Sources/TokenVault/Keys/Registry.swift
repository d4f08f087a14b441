import Synchronization
package import VaultCore
import VaultCrypto
package import VaultStore

/// Owners and clients as last read, with their keys unwrapped. Everything here is of one
/// ``RegistryRevision``: every change to an owner, a client or a secret makes another, in whichever process,
/// and the first read that sees it empties the cache.
package final class Registry: Sendable {
    private struct State {
        var revision: RegistryRevision?
        /// The one before: a reader on an older snapshot must not bring back what a newer one has replaced.
        var left: RegistryRevision?
        var owners: [OwnerID: Owner] = [:]
        var clients: [OwnerID: Client] = [:]
        var clientIDs: [[UInt8]: OwnerID] = [:]
        var clientNames: [String: OwnerID] = [:]
    }

    // 16,384 owners take about 20 MiB with their keys; past it the cache starts again rather than keep an order.
    private static let capacity = 16_384

    private let state = Mutex(State())

    package init() {}

    /// - Parameter revision: of the snapshot `database` shows; nil when that is an old one, and when the transaction
    ///   itself changed the registry: such rows must not outlive it.
    package func owner(_ id: OwnerID, _ database: Database, _ keyring: Keyring, revision: RegistryRevision?)
        throws
        -> Owner?
    {
        if let cached = cached(revision, { $0.owners[id] }) { return cached }
        guard let owner = try database.owner(id, keyring) else { return nil }
        keep(owner, revision: revision)
        return owner
    }

    func keep(_ owner: Owner, revision: RegistryRevision?) {
        keep(revision) { $0.owners[owner.row.id] = owner }
    }
    func keep(_ client: Client, revision: RegistryRevision?) {
        keep(revision) { state in
            state.clients[client.id] = client
            state.clientNames[client.clientID] = client.id
        }
    }

    /// Without asking the database.
    func knownOwner(_ id: OwnerID, revision: RegistryRevision?) -> Owner? {
        cached(revision) { $0.owners[id] }
    }
    func knownClient(_ id: OwnerID, revision: RegistryRevision?) -> Client? {
        cached(revision) { $0.clients[id] }
    }

    func client(_ id: OwnerID, _ database: Database, _ keyring: Keyring, revision: RegistryRevision?) throws
        -> Client?
    {
        if let cached = cached(revision, { $0.clients[id] }) { return cached }
        guard let owner = try owner(id, database, keyring, revision: revision), owner.row.kind == .client
        else { return nil }
        guard let row = try database.load(ClientRow.self, id.rawValue, keyring)?.row else {
            throw LostRow.error(.clients, id.rawValue)
        }
        let secrets = try database.loadAll(
            ClientSecretInfo.self, where: "client_id = ? ORDER BY generation", [.integer(id.rawValue)],
            keyring
        )
        let client = try Client(owner: owner, row: row, secrets: secrets, keyring: keyring)
        keep(client, revision: revision)
        return client
    }

    /// A client as this process read it last, without asking the database: it has the registry's revision with it, which
    /// is compared where something is done for it.
    func recentClient(identifiedBy clientID: String) -> Client? {
        state.withLock { state in
            guard let id = state.clientNames[clientID], var client = state.clients[id] else { return nil }
            client.revision = state.revision
            return client
        }
    }

    /// The owner whose lookup tag is one of these.
    func ownerID(lookupTags tags: [[UInt8]], _ database: Database, revision: RegistryRevision?) throws
        -> OwnerID?
    {
        if let cached = cached(revision, { state in tags.firstValue { state.clientIDs[$0] } }) {
            return cached
        }
        let id = try database.ownerID(tags: tags)
        if let id, let tag = tags.first { keep(revision) { $0.clientIDs[tag] = id } }
        return id
    }

    private func cached<Value: Sendable>(_ revision: RegistryRevision?, _ look: (inout State) -> Value?)
        -> Value?
    {
        guard let revision else { return nil }
        return state.withLock { $0.revision == revision ? look(&$0) : nil }
    }

    private func keep(_ revision: RegistryRevision?, _ change: (inout State) -> Void) {
        guard let revision else { return }
        state.withLock { state in
            guard revision != state.left else { return }
            if revision != state.revision || state.owners.count >= Self.capacity {
                let left = revision == state.revision ? state.left : state.revision
                state = State(revision: revision, left: left)
            }
            change(&state)
        }
    }
}

/// What was last made out from the registry, for as long as that stays at one revision.
package final class KnownOfRegistry<Value: Sendable>: Sendable {
    private let last = Mutex<(revision: RegistryRevision, value: Value)?>(nil)

    package init() {}

    package func value(_ revision: RegistryRevision?) -> Value? {
        last.withLock { last in last.flatMap { $0.revision == revision ? $0.value : nil } }
    }

    package func keep(_ value: Value, _ revision: RegistryRevision?) {
        guard let revision else { return }
        last.withLock { $0 = (revision, value) }
    }
}

extension [[UInt8]] {
    /// What the first of these tags leads to.
    package func firstValue<Value>(_ look: ([UInt8]) throws -> Value?) rethrows -> Value? {
        for tag in self { if let value = try look(tag) { return value } }
        return nil
    }
}

extension Database {
    /// The row `id` of a tagged table with the leaf that names it, its tag checked. Nil: there is no such row.
    package func load<Row: TypedRow>(_: Row.Type, _ id: Int64, _ keyring: Keyring) throws -> (
        row: Row, leaf: Int64
    )? {
        try stored(Row.layout, id, keyring).map { (row: try Row($0), leaf: $0.leaf) }
    }

    func stored(_ layout: TableLayout, _ id: Int64, _ keyring: Keyring) throws -> StoredRow? {
        let found = try firstRow(layout.selectByID, [.integer(id)]) {
            try StoredRow(reading: $0, layout, rowKey: keyring.rows)
        }
        if found == nil, layout.isOfRegistry {
            try keyring.rows.roster?.check { try $0.check(layout, id, nil) }
        }
        return found
    }

    /// Up to `limit` rows in order from behind a number on, with these values in these columns where there is one.
    package func page<Row: TypedRow>(
        _: Row.Type, after last: Int64, limit: Int, _ columns: KeyValuePairs<String, Int64?>,
        _ keyring: Keyring
    ) throws -> [Row] {
        let wanted = columns.compactMap { column, value in value.map { (column, SQLValue.integer($0)) } }
        let condition = (["id > ?"] + wanted.map { "\($0.0) = ?" }).joined(separator: " AND ")
        return try loadAll(
            Row.self, where: condition + " ORDER BY id LIMIT ?",
            [.integer(last)] + wanted.map(\.1) + [.integer(Int64(limit))], keyring)
    }

    /// Every row that meets a condition, tags checked. `condition` is SQL of our own, its values are bound.
    package func loadAll<Row: TypedRow>(
        _: Row.Type, where condition: String, _ values: [SQLValue] = [], _ keyring: Keyring
    ) throws -> [Row] {
        let rows = try self.rows(Row.layout.selectSQL + " WHERE " + condition, values) {
            try Row(StoredRow(reading: $0, Row.layout, rowKey: keyring.rows))
        }
        if Row.layout.isWhollyOfSet, let roster = keyring.rows.roster {
            if condition == "true" || condition.hasPrefix("true ORDER BY ") {
                try roster.check { try $0.check(rows.count, of: Row.layout) }
            } else if rows.isEmpty {
                let count = try rowCount(Row.layout.name)
                try roster.check { try $0.check(Int(count), of: Row.layout) }
            }
        }
        return rows
    }
}

extension Database {
    /// How many rows a table has, of those that meet a condition. Both are SQL of our own, values are bound.
    package func rowCount(_ table: String, where condition: String = "true", _ values: [SQLValue] = []) throws
        -> Int64
    {
        try count("SELECT count(*) FROM \(table) WHERE \(condition)", values)
    }
}
