import Synchronization
package import VaultCore
package import VaultCrypto

/// Which state of the registry a snapshot shows: the stamp in the vault row, another one with every change to owners,
/// clients, secrets, keys, keyslots, providers, anchors and webhooks. What is kept in memory is of one stamp.
@usableFromInline package struct RegistryRevision: Sendable, Hashable {
    package static let byteCount = 16
    @usableFromInline let first, second: UInt64

    /// Nil unless the column has the right length.
    package init?(_ cursor: RowCursor, at column: Int) {
        let words = cursor.withBlob(column) { bytes -> (UInt64, UInt64)? in
            guard let bytes, bytes.count == Self.byteCount else { return nil }
            return (
                bytes.loadUnaligned(as: UInt64.self), bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            )
        }
        guard let words else { return nil }
        (first, second) = words
    }

    private init(_ first: UInt64, _ second: UInt64) { (self.first, self.second) = (first, second) }

    package static func random() -> RegistryRevision {
        SystemRandom().bytes(byteCount).withUnsafeBytes {
            RegistryRevision(
                $0.loadUnaligned(as: UInt64.self), $0.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        }
    }

    package var bytes: [UInt8] { withUnsafeBytes(of: (first, second)) { Array($0) } }

    /// As the last entry of a commit names it.
    package var hex: String { Hex.encode(bytes) }
}

extension RegistryRevision? {
    /// In place: the conformance would be asked at every check of a token.
    @inlinable package static func == (a: Self, b: Self) -> Bool {
        switch (a, b) {
        case (let a?, let b?): a.first == b.first && a.second == b.second
        case (nil, nil): true
        default: false
        }
    }
}

extension TableLayout {
    private static let registry = [
        keyslots, systemKeys, owners, clients, clientSecrets, signingKeys, providers, webhooks,
        keyslotDetails,
        roleKeys, ownerKeys, anchors, incarnations,
    ].reduce(UInt64(0)) { $0 | 1 << UInt64($1.number) }

    /// Whether a change of its rows changes the stamp: they are kept in memory from one request to the next, or are few
    /// and decide much.
    package var isOfRegistry: Bool { Self.registry >> UInt64(number) & 1 == 1 }

    /// Whether a row counts in the hash of the vault row, so that an older one of it is refused wherever it is read. The one
    /// place that decides it, by what never changes in a row: everything of the registry but the rows of users, of whom there
    /// may be millions, and the registrations of clients that registered themselves. Of these the rows of `owners` count:
    /// that one was disabled or removed is not to be undone by an older row.
    package func isOfSet(_ id: Int64, _ columns: [SQLValue]) -> Bool {
        guard isOfRegistry else { return false }
        func value(_ column: String) -> SQLValue { columns[Int(columnNumber(column)) - 1] }
        return switch number {
        case Self.owners.number: value("kind") != .integer(OwnerKind.user.rawValue)
        case Self.clients.number: value("self_registered") != .integer(1)
        case Self.ownerKeys.number: value("owner_id") == .integer(OwnerID.system.rawValue)
        default: true
        }
    }

    /// Whether all its rows are.
    package var isWhollyOfSet: Bool {
        isOfRegistry && number != Self.owners.number && number != Self.ownerKeys.number
            && number != Self.clients.number && number != Self.clientSecrets.number
    }

    /// Whether keys or the log's name are read from a row.
    fileprivate func isOfKeyring(_ id: Int64) -> Bool {
        switch number {
        case Self.systemKeys.number, Self.roleKeys.number, Self.incarnations.number: true
        case Self.owners.number: id == OwnerID.system.rawValue
        // Only the system's are in the set.
        case Self.ownerKeys.number: true
        default: false
        }
    }
}

/// The rows that count in the hash of the vault row, by the hashes that the log has of them, in memory: what is read is
/// compared with it.
///
/// A row's tag is right for as long as the row's key; that it is the newest of the row is seen here.
package struct Roster: Sendable {
    private struct Entry {
        let hash: Digest
        /// What an index finds the row by: a client's lookup tag (its beginning), a secret's client.
        let found: Int64
    }

    private var tables: [UInt16: [Int64: Entry]] = [:]
    /// How many rows of `owners` have a lookup tag with this beginning: strangers ask for tags that no row has.
    private var ownerTags: [Int64: Int] = [:]
    /// Hash of all rows, as the vault row has it without the stamp.
    package private(set) var sum = Digest.zero
    /// Rows were put in or taken out from which keys are read.
    package private(set) var changesKeys = false

    package init() {}

    /// Every row of the set that `database` shows, whatever its tag: whether these are the ones is for ``sum`` to say.
    package init(_ database: Database, _ key: RowSetKey) throws {
        let layouts = TableLayout.tagged.filter(\.isOfRegistry)
        let questions = layouts.map { layout in
            StoreQuestion(
                layout.selectSQL + (layout.number == TableLayout.owners.number ? " WHERE kind != 2" : ""))
        }
        try database.ask(questions) { note(StoredRow(unchecked: $1, layouts[$0]), key) }
        changesKeys = false
    }

    /// A row was written as this.
    package mutating func note(_ row: StoredRow, _ key: RowSetKey) {
        remove(row.layout, row.id, key)
        guard row.layout.isOfSet(row.id, row.columns) else { return }
        let hash = row.hash
        let found = Self.found(row)
        tables[row.layout.number, default: [:]][row.id] = Entry(hash: hash, found: found)
        if row.layout.number == TableLayout.owners.number { ownerTags[found, default: 0] += 1 }
        add(row.layout, row.id, hash, key)
    }

    package mutating func remove(_ layout: TableLayout, _ id: Int64, _ key: RowSetKey) {
        guard let old = tables[layout.number]?.removeValue(forKey: id) else { return }
        if layout.number == TableLayout.owners.number {
            let rest = ownerTags[old.found, default: 1] - 1
            ownerTags[old.found] = rest > 0 ? rest : nil
        }
        add(layout, id, old.hash, key)
    }

    /// In or out: the same.
    private mutating func add(_ layout: TableLayout, _ id: Int64, _ hash: Digest, _ key: RowSetKey) {
        sum = sum ^ key.element(table: layout.number, id: id, hash: hash)
        if layout.isOfKeyring(id) { changesKeys = true }
    }

    private static func found(_ row: StoredRow) -> Int64 {
        switch row.layout.number {
        case TableLayout.owners.number:
            if case .blob(let tag) = row["lookup_tag"] { beginning(of: tag) } else { 0 }
        case TableLayout.clientSecrets.number:
            if case .integer(let client) = row["client_id"] { client } else { 0 }
        default: 0
        }
    }

    private static func beginning(of tag: [UInt8]) -> Int64 {
        tag.prefix(8).reduce(0) { $0 << 8 | Int64($1) }
    }

    /// The sum of the same rows under another key.
    package func sum(under key: RowSetKey) -> Digest {
        tables.reduce(.zero) { sum, table in
            table.value.reduce(sum) { $0 ^ key.element(table: table.key, id: $1.key, hash: $1.value.hash) }
        }
    }

    // MARK: Comparing

    /// - Parameter hash: of the row as it is in the file; nil: it is not there, or not of the set.
    /// - Throws: ``VaultError/Code/integrity`` for an older row, one that was deleted, and one that is missing.
    package func check(_ layout: TableLayout, _ id: Int64, _ hash: Digest?) throws {
        let known = tables[layout.number]?[id]?.hash
        guard known == nil || hash != nil else { throw LostRow.error(layout, id) }
        guard known == hash else { throw LostRow.outdated(layout, id) }
    }

    /// - Parameter count: of the rows that a table shows, all of which are in the set.
    /// - Throws: ``VaultError/Code/integrity`` when there must be more.
    package func check(_ count: Int, of layout: TableLayout) throws {
        guard count == tables[layout.number]?.count ?? 0 else { throw LostRow.unindexed(layout) }
    }

    /// - Throws: ``VaultError/Code/integrity`` when there is a client of one of these tags, which an index did not show.
    package func confirmUnknown(_ lookupTags: [[UInt8]]) throws {
        guard !lookupTags.contains(where: { ownerTags[Self.beginning(of: $0)] != nil }) else {
            throw LostRow.unindexed(.owners)
        }
    }

    /// - Throws: ``VaultError/Code/integrity`` when the client has another number of secrets.
    package func confirmAll(_ secrets: Int, of client: OwnerID) throws {
        let count =
            tables[TableLayout.clientSecrets.number]?.values.count { $0.found == client.rawValue } ?? 0
        guard secrets == count else { throw LostRow.unindexed(.clientSecrets) }
    }

    package static let differs = VaultError(
        .integrity,
        "Keys, clients or settings are not the ones that the vault's own record counts: an earlier row was put back, or one was changed or deleted from outside.",
        remedy: "Stop the service, verify the audit log, then restore a backup.")
}

/// A roster that rows are compared with: of one snapshot, or of a transaction, where it changes with what is written.
package final class LiveRoster: Sendable {
    private let roster: Mutex<Roster>

    package init(_ roster: Roster) { self.roster = Mutex(roster) }

    package var value: Roster {
        get { roster.withLock { $0 } }
        set { roster.withLock { $0 = newValue } }
    }

    package func change(_ change: (inout Roster) -> Void) { roster.withLock { change(&$0) } }
    package func check(_ check: (borrowing Roster) throws -> Void) throws {
        try roster.withLock { try check($0) }
    }
}

extension Digest {
    /// Nil for a column of another length.
    package init?(stored bytes: UnsafeRawBufferPointer) {
        guard bytes.count == Digest.byteCount else { return nil }
        self.init(loading: bytes)
    }
}
