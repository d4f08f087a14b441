import GRDB
import MerkleLog
import Synchronization
import VaultCore
import VaultCrypto

/// Owners and clients as last read, with their keys unwrapped. Everything here is of one
/// ``RegistryRevision``: every change to an owner, a client or a secret makes another, in whichever process,
/// and the first read that sees it empties the cache.
final class Registry: Sendable {
    private struct State {
        var revision: RegistryRevision?
        var owners: [OwnerID: Owner] = [:]
        var clients: [OwnerID: Client] = [:]
        var clientIDs: [[UInt8]: OwnerID] = [:]
        var clientNames: [String: OwnerID] = [:]
        var census: ClientCensus?
    }

    // 16,384 owners take about 20 MiB with their keys; past it the cache starts again rather than keep an order.
    private static let capacity = 16_384

    private let state = Mutex(State())

    /// - Parameter revision: of the snapshot `database` shows; nil when that is an old one, and when the transaction
    ///   itself changed the registry: such rows must not outlive it.
    func owner(_ id: OwnerID, _ database: Database, _ keyring: Keyring, revision: RegistryRevision?) throws
        -> Owner?
    {
        if let cached = cached(revision, { $0.owners[id] }) { return cached }
        guard let owner = try database.owner(id, keyring) else { return nil }
        keep(revision) { $0.owners[id] = owner }
        return owner
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
        keep(revision) { state in
            state.clients[id] = client
            state.clientNames[client.clientID] = id
        }
        return client
    }

    /// A client as this process read it last, without asking the database: anyone who acts on it compares `revision`
    /// in the transaction that acts.
    func recentClient(identifiedBy clientID: String) -> (client: Client, revision: RegistryRevision)? {
        state.withLock { state in
            guard let id = state.clientNames[clientID], let client = state.clients[id],
                let revision = state.revision
            else { return nil }
            return (client, revision)
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

    /// What to compare a miss with.
    func census(_ database: Database, revision: RegistryRevision?) throws -> ClientCensus {
        if let cached = cached(revision, { $0.census }) { return cached }
        let census = try ClientCensus(database)
        keep(revision) { $0.census = census }
        return census
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
            // A reader on an older snapshot must not bring back what a newer one has replaced.
            guard state.revision.map({ revision >= $0 }) ?? true else { return }
            if revision != state.revision || state.owners.count >= Self.capacity {
                state = State()
                state.revision = revision
            }
            change(&state)
        }
    }
}

extension [[UInt8]] {
    /// What the first of these tags leads to.
    func firstValue<Value>(_ look: ([UInt8]) throws -> Value?) rethrows -> Value? {
        for tag in self { if let value = try look(tag) { return value } }
        return nil
    }
}

extension Database {
    /// The row `id` of a tagged table with the leaf that names it, its tag checked. Nil: there is none.
    func load<Row: TypedRow>(_: Row.Type, _ id: Int64, _ keyring: Keyring) throws -> (row: Row, leaf: Int64)?
    {
        try firstRow(Row.layout.selectByID, [.integer(id)]) { cursor in
            let stored = try StoredRow(reading: cursor, Row.layout, rowKey: keyring.rows)
            return (try Row(stored), stored.leaf)
        }
    }

    /// Every row that meets a condition, tags checked. `condition` is SQL of our own, its values are bound.
    func loadAll<Row: TypedRow>(
        _: Row.Type, where condition: String, _ values: [SQLValue] = [], _ keyring: Keyring
    ) throws -> [Row] {
        var rows: [Row] = []
        try forEachRow(Row.layout.selectSQL + " WHERE " + condition, values) { cursor in
            rows.append(try Row(StoredRow(reading: cursor, Row.layout, rowKey: keyring.rows)))
            return true
        }
        return rows
    }
}

/// The state of the registry that a snapshot shows: owners, clients, secrets and keys are kept for one of them.
///
/// The number in the vault row would not do by itself. No entry of the log names that row, so someone who writes the
/// file can put an older one back, and the next change then brings a number that was there before.
package struct RegistryRevision: Sendable, Hashable, Comparable {
    /// Goes up with every entry about the registry that this process comes across.
    fileprivate let generation: Int
    /// `registry_revision` of the vault row.
    fileprivate let number: Int64

    package static func < (one: RegistryRevision, other: RegistryRevision) -> Bool {
        (one.generation, one.number) < (other.generation, other.number)
    }
}

/// Follows the log for entries about the registry, and remembers how far the vault had come.
final class RegistryWatch: Sendable {
    /// Every snapshot begun after this was asked for shows this much, or more.
    struct Floor: Sendable {
        fileprivate let logSize: Int64
        fileprivate let vault: VaultRow
    }

    private struct State {
        /// The entries before this one were looked at.
        var next: Int64
        /// The newest of them that is about the registry; -1: none since the vault was opened.
        var newest: Int64 = -1
        var generation = 0
        var floor: Floor
    }

    private let state: Mutex<State>

    init(_ vault: VaultRow, logSize: Int64) {
        state = Mutex(State(next: logSize, floor: Floor(logSize: logSize, vault: vault)))
    }

    var floor: Floor { state.withLock { $0.floor } }

    /// The revision that `database` shows. Nil: the snapshot is older than the newest change, so nothing that
    /// is read in it may be kept.
    ///
    /// - Parameters:
    ///   - number: of the vault row in this snapshot.
    ///   - logSize: of the log in this snapshot.
    ///   - floor: asked for before the snapshot was begun.
    /// - Throws: ``VaultError/Code/integrity`` when the snapshot is older than that.
    func revision(
        _ database: Database, number: Int64, logSize: Int64, above floor: Floor? = nil
    ) throws -> RegistryRevision? {
        if let floor, number < floor.vault.registryRevision || logSize < floor.logSize {
            throw VaultRow.outdated
        }
        let known = state.withLock { $0 }
        if logSize > known.next { try look(database, known.next..<logSize) }
        return state.withLock { state in
            guard state.newest < logSize else { return nil }
            return RegistryRevision(generation: state.generation, number: number)
        }
    }

    /// Reads entries of another process.
    func look(_ database: Database, _ entries: Range<Int64>) throws {
        // After a long pause it is cheaper to read the registry again.
        guard entries.upperBound - entries.lowerBound <= Limits.followedLeaves else {
            return note(newest: entries.upperBound - 1, upTo: entries.upperBound)
        }
        var newest: Int64?
        var count: Int64 = 0
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(entries.lowerBound), .integer(entries.upperBound)]
        ) { row in
            count += 1
            let leaf = row.withBlob(1) { $0.flatMap(LeafFields.init(reading:)) }
            // What cannot be read may be about anything.
            if leaf?.rows.contains(where: \.isOfRegistry) ?? true { newest = row.integer(0) }
            return true
        }
        // Pruned meanwhile, or taken out.
        if count < entries.upperBound - entries.lowerBound { newest = entries.upperBound - 1 }
        note(newest: newest, upTo: entries.upperBound)
    }

    /// Raises the floor to what the holder of the writer's lock sees.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when that is less than was there before.
    func reach(_ vault: VaultRow, logSize: Int64) throws {
        try state.withLock { state in
            guard !vault.isOlder(than: state.floor.vault) else { throw VaultRow.outdated }
            state.floor = Floor(logSize: max(state.floor.logSize, logSize), vault: vault)
        }
    }

    /// Takes note of a commit of this process.
    func committed(_ transaction: WriteTransaction, _ head: LogHead) {
        let entries = transaction.entries
        let last = entries.lastIndex { $0.entry.rows.contains(where: \.isOfRegistry) }
        note(newest: last.map { head.size - Int64(entries.count - $0) }, upTo: head.size)
        state.withLock { $0.floor = Floor(logSize: head.size, vault: transaction.vault) }
    }

    private func note(newest: Int64?, upTo end: Int64) {
        state.withLock { state in
            state.next = max(state.next, end)
            guard let newest else { return }
            state.newest = max(state.newest, newest)
            state.generation += 1
        }
    }
}

extension RowChange {
    /// Whether rows of this table are kept in memory from one request to the next.
    fileprivate var isOfRegistry: Bool { Self.registry.contains(table) }

    private static let registry: Set<UInt16> = Set(
        [
            TableLayout.keyslots, .systemKeys, .owners, .clients, .clientSecrets, .signingKeys, .passwords,
            .retiredRoots, .previousOwnerKeys,
        ].map(\.number))
}
