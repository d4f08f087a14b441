package import MerkleLog
package import TokenRotation
package import VaultCore
package import VaultCrypto
package import VaultStore

/// What the body of a write sees and decides by: the rows as of now, the keys, the time, and the index its first leaf will
/// have. Lives on the writer's thread, for one batch of bodies.
///
/// A body runs no statement that changes anything: what it wants written is collected, and applied when all bodies have
/// decided, or when one of them asks by a query. Rows written are named by the leaf of the body's first event; the list of
/// them is kept here, so no change can go unnamed.
package final class WriteTransaction {
    private let store: any StoreTransaction
    /// Each body is applied at its own end, within a savepoint: after a batch failed.
    private let isCareful: Bool
    package let keyring: Keyring
    /// Wall clock, read once for the batch.
    package let now: VaultInstant
    package let monotonic: ClockReading
    /// False while the wall clock does not move as the monotonic one does: nothing is deleted on its word then.
    package let clocksAgree: Bool
    package var vault: VaultRow { collected.vault }
    /// Of the log: the keyring's, but where a restored log goes on under another name.
    private let signer: NoteSigner
    let registry: Registry
    private let firstUses: FirstUses
    /// The log as it was before this transaction.
    package let committed: LogHead
    private let unchangedVault: VaultRow
    private let revision: RegistryRevision?

    /// What the bodies want written.
    package private(set) var collected: CollectedChanges
    /// Where bodies made entries at a bounded rate: what is left of it if this is committed.
    var refusals: RefusalAllowance?
    private let roster: LiveRoster
    private var rosterBeforeBody: Roster
    /// What sums up the rows of the registry after this commit, where a body replaced the key.
    package var renewedRowSet: RowSetKey? {
        get { collected.renewedRowSet }
        set { collected.renewedRowSet = newValue }
    }

    package init(
        _ store: any StoreTransaction, keyring: Keyring, registry: Registry, firstUses: FirstUses,
        vault: VaultRow, head: LogHead, now: VaultInstant, monotonic: ClockReading, clocksAgree: Bool = true,
        signer: NoteSigner? = nil, revision: RegistryRevision? = nil, isCareful: Bool = false
    ) {
        self.signer = signer ?? keyring.signer
        self.store = store
        self.isCareful = isCareful
        // A copy, which changes with what is written here.
        rosterBeforeBody = keyring.rows.roster?.value ?? Roster()
        roster = LiveRoster(rosterBeforeBody)
        self.keyring = keyring.showing(roster)
        self.registry = registry
        self.firstUses = firstUses
        collected = CollectedChanges(vault)
        self.unchangedVault = vault
        self.revision = revision
        self.committed = head
        self.now = now
        self.monotonic = monotonic
        self.clocksAgree = clocksAgree
    }

    /// For queries by predicate: shows what earlier bodies of the batch wrote. Rows by number come from ``load(_:_:)``.
    ///
    /// - Throws: ``BatchFailed`` when that cannot be applied, or when the body itself wrote before it asked.
    package var database: Database {
        get throws {
            if !isCareful, collected.bodyWrote { throw BatchFailed() }
            try apply()
            return store.database
        }
    }

    /// Without what is collected: for a row that only the asking body writes.
    package var appliedRows: Database { store.database }

    /// Applies what was collected.
    func apply() throws {
        guard !collected.writes.isEmpty else { return }
        do { try store.apply(collected.writes) } catch {
            if isCareful || store.isGone(after: error) { throw error }
            throw BatchFailed()
        }
        collected.wereApplied()
    }

    /// Takes what was asked for a body before it runs.
    func know(_ row: StoredRow) { collected.keep(row, as: RowName(row)) }

    /// Now, minus the time in which no process served.
    var serving: VaultInstant { vault.serving(at: now) }

    /// The index of this body's first leaf.
    package var leaf: Int64 { committed.size + Int64(collected.entries.count) }

    /// The name of the log.
    var origin: String { signer.key.name }

    /// Nil once this batch changed the registry itself: such rows must not enter a cache before the commit.
    var registryRevision: RegistryRevision? { changesRegistry ? nil : revision }

    /// Whether the commit will have another stamp.
    private var changesRegistry: Bool { vault.stamp != unchangedVault.stamp }

    /// Whether keys have to be read again after the commit.
    var changesKeys: Bool { vault.keyEpoch != unchangedVault.keyEpoch || roster.value.changesKeys }

    /// Refuses to act on what was read of the registry at another revision.
    ///
    /// - Throws: ``Overtaken``.
    func expect(_ revision: RegistryRevision?) throws {
        guard revision == nil || revision == registryRevision else { throw Overtaken() }
    }

    package func load<Row: TypedRow>(_: Row.Type = Row.self, _ id: Int64) throws -> (row: Row, leaf: Int64)? {
        try stored(Row.layout, id).map { (row: try Row($0), leaf: $0.leaf) }
    }

    /// A row by its number, with what bodies of this batch made of it.
    package func stored(_ layout: TableLayout, _ id: Int64) throws -> StoredRow? {
        let name = RowName(table: layout.number, id: id)
        if let known = collected.known[name] { return known }
        let found = try store.database.stored(layout, id, keyring)
        collected.keep(found, as: name)
        return found
    }

    /// Every row of a tagged table that meets a condition, with what bodies of this batch made of them; in the order of their
    /// numbers.
    ///
    /// - Parameters:
    ///   - condition: SQL of our own, its values are bound.
    ///   - matches: the same, for rows that are only collected.
    package func query<Row: TypedRow>(
        _: Row.Type, where condition: String = "true", _ values: [SQLValue] = [],
        _ matches: (Row) -> Bool = { _ in true }
    ) throws -> [Row] {
        let layout = Row.layout
        var found: [Row] = []
        try store.database.forEachRow(layout.selectSQL + " WHERE " + condition, values) { cursor in
            guard collected.known[RowName(table: layout.number, id: cursor.integer(0))] == nil else {
                return true
            }
            found.append(try Row(StoredRow(reading: cursor, layout, rowKey: keyring.rows)))
            return true
        }
        for (name, stored) in collected.known where name.table == layout.number {
            if let stored, case let row = try Row(stored), matches(row) { found.append(row) }
        }
        if condition == "true", layout.isWhollyOfSet {
            try roster.check { try $0.check(found.count, of: layout) }
        }
        return found.sorted { $0.rowID < $1.rowID }
    }

    /// Whether this process saw the grant's current pair used, though the row may not say so yet.
    func isFirstUseSeen(_ row: GrantRow) -> Bool {
        row.firstUsedAt != nil || firstUses.contains(row.id, row.generation)
    }
}

// MARK: - Changes

extension WriteTransaction {
    package func insert(_ row: some TypedRow) throws {
        let stored = try named(row, previous: nil)
        put(
            RowWrite(
                stored.layout.insertSQL,
                [.integer(stored.id)] + stored.columns + [.integer(stored.leaf), .blob(stored.tag)]))
    }

    /// - Parameter isIndexUnchanged: the row's indexed columns are as they were, so its indexes are left alone.
    package func update<Row: TypedRow>(
        _ row: Row, isIndexUnchanged: Bool = false, guardedBy expected: Int64? = nil
    ) throws {
        try write(named(row, previous: namingLeaf(Row.layout, row.rowID)), isIndexUnchanged, expected)
    }

    /// Changes only columns that the log does not hash: the row keeps the leaf that names it.
    func updateUnhashed(_ row: some TypedRow, leaf: Int64, guardedBy expected: Int64? = nil) throws {
        let layout = type(of: row).layout
        let stored = try StoredRow(
            layout, id: row.rowID, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        know(stored, as: RowName(stored))
        write(stored, true, expected)
    }

    /// Writes the tag of a row again, by the present key.
    package func tagAgain(_ row: StoredRow) throws {
        let fresh = try StoredRow(
            row.layout, id: row.id, columns: row.columns, leaf: row.leaf, rowKey: keyring.rows)
        put(
            RowWrite(
                "UPDATE \(row.layout.name) SET row_tag = ? WHERE id = ?",
                [.blob(fresh.tag), .integer(row.id)]))
        know(fresh, as: RowName(row))
    }

    /// Writes a row as it is, so that this body's leaf names it.
    package func carry(_ row: StoredRow) throws {
        let stored = try StoredRow(
            row.layout, id: row.id, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        put(
            RowWrite(
                row.layout.carrySQL, [.integer(stored.leaf), .blob(stored.tag), .integer(stored.id)]))
        know(stored, as: RowName(stored))
        collected.name(
            RowChange(table: row.layout.number, id: row.id, hash: stored.hash, previous: row.leaf))
    }

    package func delete(_ layout: TableLayout, id: Int64) throws {
        let previous = try namingLeaf(layout, id)
        put(RowWrite(layout.deleteSQL, [.integer(id)]))
        if layout.isOfRegistry {
            touchRegistry()
            roster.change { $0.remove(layout, id, keyring.rowSet) }
        }
        know(nil, as: RowName(table: layout.number, id: id))
        collected.name(RowChange(table: layout.number, id: id, hash: nil, previous: previous))
    }

    /// What no leaf names: sessions, jobs, used assertions, expired rows; entries and the head of the log.
    package func put(_ write: RowWrite) { collected.put(write) }

    /// Puts other values into a row, whatever its layout says may change: for rotations.
    package func rewrite(_ layout: TableLayout, id: Int64, _ columns: [SQLValue]) throws {
        let stored = try StoredRow(layout, id: id, columns: columns, leaf: leaf, rowKey: keyring.rows)
        let all = zip(layout.columns, columns) + [("leaf", .integer(leaf)), ("row_tag", .blob(stored.tag))]
        let previous = try namingLeaf(layout, id)
        put(
            RowWrite(
                "UPDATE \(layout.name) SET " + all.map { "\($0.0) = ?" }.joined(separator: ", ")
                    + " WHERE id = ?",
                all.map(\.1) + [.integer(id)]))
        note(stored, previous: previous)
    }

    /// Marks every cache of owners, clients and secrets as outdated, in every process.
    private func touchRegistry() {
        guard !changesRegistry else { return }
        changeVault { vault in
            vault.stamp = .random()
            vault.registryRevision += 1
        }
    }

    /// A row was written as this.
    private func register(_ stored: StoredRow) {
        guard stored.layout.isOfRegistry else { return }
        touchRegistry()
        roster.change { $0.note(stored, keyring.rowSet) }
    }

    /// Takes the next number of a counter.
    package func next(_ counter: WritableKeyPath<VaultRow, Int64>) -> Int64 {
        defer { changeVault { $0[keyPath: counter] += 1 } }
        return vault[keyPath: counter]
    }

    package func changeVault(_ change: (inout VaultRow) -> Void) { collected.changeVault(change) }

    /// Asks for the WAL to be copied back and emptied after this commit, if no reader needs it.
    func truncateWAL(_ request: WALTruncation) { collected.truncate(request) }

    /// Signs the new head by another key too: a new key of the log.
    package func cosign(_ signer: NoteSigner) { collected.cosign(signer) }

    private func named<Row: TypedRow>(_ row: Row, previous: Int64?) throws -> StoredRow {
        let stored = try StoredRow(
            Row.layout, id: row.rowID, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        note(stored, previous: previous)
        return stored
    }

    private func note(_ stored: StoredRow, previous: Int64?) {
        register(stored)
        know(stored, as: RowName(stored))
        collected.name(
            RowChange(table: stored.layout.number, id: stored.id, hash: stored.hash, previous: previous))
    }

    private func know(_ stored: StoredRow?, as name: RowName) { collected.know(stored, as: name) }

    /// The leaf that names a row now; nil where there is no such row.
    private func namingLeaf(_ layout: TableLayout, _ id: Int64) throws -> Int64? {
        if let known = collected.known[RowName(table: layout.number, id: id)] { return known?.leaf }
        return try store.database.firstRow(layout.selectLeafByID, [.integer(id)]) { $0.integer(0) }
    }

    private func write(_ stored: StoredRow, _ isIndexUnchanged: Bool, _ expected: Int64?) {
        let layout = stored.layout
        var values = (isIndexUnchanged ? layout.settableUnindexed : layout.settable).map(
            stored.value(inColumn:))
        values.append(.integer(stored.id))
        if let expected { values.append(.integer(expected)) }
        put(
            RowWrite(
                isIndexUnchanged ? layout.updateUnindexedSQL : layout.updateSQL, values,
                changing: (layout, stored.id)))
    }
}

/// A body found that what it was given is no longer so, and did nothing: its operation begins again. It never leaves
/// this module, but through what hands it to ``Vault/withRecentClient(_:_:)``.
package struct Overtaken: StoreSignal {
    package init() {}
}

/// What was collected could not be applied, or had to be applied before its body ended: the batch is run once more, each
/// body in a savepoint of its own.
struct BatchFailed: Error {}

// MARK: - Bodies of a batch

extension WriteTransaction {
    /// Makes an entry that names the rows which the body changed until now; what it changes later is named by the
    /// next one.
    package func log(_ event: AuditEvent) { collected.log(event) }

    /// Runs a body; what it did is undone when it throws.
    ///
    /// - Throws: ``TransactionGone``, ``BatchFailed``, and what the body threw.
    package func run(_ body: () throws -> BodyEnd) throws {
        collected.begin()
        rosterBeforeBody = roster.value
        do {
            guard isCareful else { return try collected.end(body()) }
            try store.savepoint {
                try collected.end(body())
                try apply()
            }
        } catch {
            collected.abandon()
            roster.value = rosterBeforeBody
            guard !(error is TransactionGone), !(error is BatchFailed), store.isGone(after: error) else {
                throw error
            }
            throw TransactionGone(cause: error)
        }
    }

    /// The signed note over the head as it will be committed.
    func sign(_ head: LogHead) throws -> String {
        let text = head.checkpoint(named: origin).body
        return try collected.cosigners.reduce(try signer.sign(text)) { try $0 + $1.signatureLine(of: text) }
    }

    /// After the last body: writes the vault row if a counter moved.
    ///
    /// - Returns: what was not applied yet.
    package func finish() throws -> [RowWrite] {
        if changesRegistry {
            let hash = keyring.registryHash(roster.value, vault.stamp, renewed: renewedRowSet)
            changeVault { $0.registryHash = hash }
        }
        if vault != unchangedVault { put(vault.update(rowKey: keyring.rows)) }
        return collected.writes
    }
}
