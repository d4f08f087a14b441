import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// What the body of a write sees: the rows as of now, the keys, the time, and the index its first leaf will
/// have. Lives on the writer's thread, for one batch of bodies. Rows written here are named by the leaf of
/// the body's first event; the list of them is kept here, so no change can go unnamed.
final class WriteTransaction {
    let database: Database
    let keyring: Keyring
    /// Wall clock, read once for the batch.
    let now: VaultInstant
    let monotonic: ClockReading
    /// False while the wall clock does not move as the monotonic one does: nothing is deleted on its word then.
    let clocksAgree: Bool
    private(set) var vault: VaultRow
    /// Of the log: the keyring's, but where a restored log goes on under another name.
    private let signer: NoteSigner
    private let registry: Registry
    private let firstUses: FirstUses
    /// The log as it was before this transaction.
    let committed: LogHead
    private let unchangedVault: VaultRow
    private let revision: RegistryRevision?

    /// Entries of bodies that ended well.
    private(set) var entries: [PendingEntry] = []
    private(set) var hasChanges = false
    /// Sign the new head too: a new key of the log.
    private(set) var cosigners: [NoteSigner] = []
    /// After this commit nothing of what was before shall be left in the WAL.
    private(set) var truncation: WALTruncation?
    private var rows: [RowChange] = []
    /// Which leaf named each row that this body looked at.
    private var leaves: [RowName: Int64] = [:]
    private var vaultBeforeBody: VaultRow
    private let roster: LiveRoster
    private var rosterBeforeBody: Roster
    /// What sums up the rows of the registry after this commit, where a body replaced the key.
    var renewedRowSet: RowSetKey?
    private var renewedRowSetBeforeBody: RowSetKey?
    private var hasChangesBeforeBody = false
    private var entriesBeforeBody = 0
    private var cosignersBeforeBody = 0

    init(
        _ database: Database, keyring: Keyring, registry: Registry, firstUses: FirstUses, vault: VaultRow,
        head: LogHead, now: VaultInstant, monotonic: ClockReading, clocksAgree: Bool = true,
        signer: NoteSigner? = nil, revision: RegistryRevision? = nil
    ) {
        self.signer = signer ?? keyring.signer
        self.database = database
        // A copy, which changes with what is written here.
        rosterBeforeBody = keyring.rows.roster?.value ?? Roster()
        roster = LiveRoster(rosterBeforeBody)
        self.keyring = keyring.showing(roster)
        self.registry = registry
        self.firstUses = firstUses
        self.vault = vault
        self.unchangedVault = vault
        self.revision = revision
        self.vaultBeforeBody = vault
        self.committed = head
        self.now = now
        self.monotonic = monotonic
        self.clocksAgree = clocksAgree
    }

    /// Now, less the time nobody served.
    var serving: VaultInstant { vault.serving(at: now) }

    /// The index of this body's first leaf.
    var leaf: Int64 { committed.size + Int64(entries.count) }

    /// The name of the log.
    var origin: String { signer.key.name }

    /// Nil once this batch changed the registry itself: such rows must not enter a cache before the commit.
    private var registryRevision: RegistryRevision? { changesRegistry ? nil : revision }

    /// Whether the commit will have another stamp.
    private var changesRegistry: Bool { vault.stamp != unchangedVault.stamp }

    /// Whether keys have to be read again after the commit.
    var changesKeys: Bool { vault.keyEpoch != unchangedVault.keyEpoch || roster.value.changesKeys }

    /// Seals what belongs to no user and no client.
    func systemKey(_ role: KeyRole) throws -> OwnerKey {
        guard let system = try owner(.system) else { throw VaultRow.damaged }
        return try system.key(role)
    }

    func owner(_ id: OwnerID) throws -> Owner? {
        try registry.owner(id, database, keyring, revision: registryRevision)
    }

    /// The owner with a key under `role`, made now where this is the first time that something is sealed under it.
    func owner(_ id: OwnerID, sealingFor role: KeyRole) throws -> Owner? {
        guard let owner = try owner(id) else { return nil }
        if owner.hasKey(role) { return owner }
        try insert(OwnerKeyRow(making: id, role, keyring))
        return try self.owner(id)
    }

    /// A new owner with its row and its keys.
    func makeOwner(
        _ id: OwnerID, kind: OwnerKind, identity: [UInt8], lookupTag: [UInt8]?, roles: [KeyRole] = [.common]
    ) throws -> Owner {
        let keys = try roles.map { try OwnerKeyRow(making: id, $0, keyring) }
        let owner = try Owner(
            creating: id, kind: kind, identity: identity, lookupTag: lookupTag, keys: keys, keyring: keyring,
            now: now)
        try insert(owner.row)
        for key in keys { try insert(key) }
        return owner
    }

    /// Refuses to act on what was read of the registry at another revision.
    ///
    /// - Throws: ``VaultError/Code/registryChanged``.
    func expect(registryRevision expected: RegistryRevision?) throws {
        guard let expected, expected != registryRevision else { return }
        throw VaultError(.registryChanged, "Clients or users changed meanwhile; nothing was done.")
    }

    func client(_ id: OwnerID) throws -> Client? {
        try registry.client(id, database, keyring, revision: registryRevision)
    }

    func load<Row: TypedRow>(_: Row.Type = Row.self, _ id: Int64) throws -> (row: Row, leaf: Int64)? {
        let found = try database.load(Row.self, id, keyring)
        if let found { leaves[RowName(table: Row.layout.number, id: id)] = found.leaf }
        return found
    }

    /// Whether this process saw the grant's current pair used, though the row may not say so yet.
    func isFirstUseSeen(_ row: GrantRow) -> Bool {
        row.firstUsedAt != nil || firstUses.contains(row.id, row.generation)
    }
}

// MARK: - Changes

extension WriteTransaction {
    func insert(_ row: some TypedRow) throws {
        let stored = try named(row, previous: nil)
        try database.run(
            stored.layout.insertSQL,
            [.integer(stored.id)] + stored.columns + [.integer(stored.leaf), .blob(stored.tag)])
    }

    /// - Parameter isIndexUnchanged: the row's indexed columns are as they were, so its indexes are left alone.
    func update<Row: TypedRow>(
        _ row: Row, isIndexUnchanged: Bool = false, guardedBy expected: Int64? = nil
    ) throws {
        try write(named(row, previous: namingLeaf(Row.layout, row.rowID)), isIndexUnchanged, expected)
    }

    /// Changes only columns that the log does not hash: the row keeps the leaf that names it.
    func updateUnhashed(_ row: some TypedRow, leaf: Int64, guardedBy expected: Int64? = nil) throws {
        let layout = type(of: row).layout
        let stored = try StoredRow(
            layout, id: row.rowID, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        try write(stored, true, expected)
    }

    /// Writes a row as it is, so that this body's leaf names it.
    func carry(_ row: StoredRow) throws {
        let stored = try StoredRow(
            row.layout, id: row.id, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        try database.run(
            row.layout.carrySQL, [.integer(stored.leaf), .blob(stored.tag), .integer(stored.id)])
        note(stored.layout, stored.id, hash: stored.hash, previous: row.leaf)
    }

    func delete(_ layout: TableLayout, id: Int64) throws {
        let previous = try namingLeaf(layout, id)
        try database.run(layout.deleteSQL, [.integer(id)])
        if layout.isOfRegistry {
            touchRegistry()
            roster.change { $0.remove(layout, id, keyring.rowSet) }
        }
        note(layout, id, hash: nil, previous: previous)
    }

    /// Counts a grant, connection or consent that this body creates for a user.
    ///
    /// - Returns: for the event that names the row; nil for what is no person's.
    func countCreation(of id: OwnerID) throws -> Creation? {
        guard let (known, leaf) = try load(OwnerRow.self, id.rawValue) else {
            throw LostRow.error(.owners, id.rawValue)
        }
        guard known.kind == .user else { return nil }
        var row = known
        let creation = Creation(number: row.creations + 1, previous: row.lastCreation)
        row.creations += 1
        row.lastCreation = self.leaf
        try updateUnhashed(row, leaf: leaf)
        return creation
    }

    /// Puts other values into a row, whatever its layout says may change: for rotations.
    func rewrite(_ layout: TableLayout, id: Int64, _ columns: [SQLValue]) throws {
        let stored = try StoredRow(layout, id: id, columns: columns, leaf: leaf, rowKey: keyring.rows)
        let all = zip(layout.columns, columns) + [("leaf", .integer(leaf)), ("row_tag", .blob(stored.tag))]
        let previous = try namingLeaf(layout, id)
        try database.run(
            "UPDATE \(layout.name) SET " + all.map { "\($0.0) = ?" }.joined(separator: ", ")
                + " WHERE id = ?",
            all.map(\.1) + [.integer(id)])
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
    func next(_ counter: WritableKeyPath<VaultRow, Int64>) -> Int64 {
        let value = vault[keyPath: counter]
        changeVault { $0[keyPath: counter] += 1 }
        return value
    }

    func changeVault(_ change: (inout VaultRow) -> Void) {
        change(&vault)
        hasChanges = true
    }

    /// Asks for the WAL to be copied back and emptied after this commit, if no reader needs it.
    func truncateWAL(_ request: WALTruncation) {
        truncation = request
        hasChanges = true
    }

    func cosign(_ signer: NoteSigner) { cosigners.append(signer) }

    /// Notes a change that no leaf names (expired rows, heartbeat).
    func noteUnloggedChange() { hasChanges = true }

    func seal(
        _ plaintext: [UInt8], owner id: OwnerID, table: UInt16, column: UInt16, row: Int64,
        generation: UInt64 = 0
    ) throws -> [UInt8] {
        let role = TableLayout.tagged.first { $0.number == table }?.role ?? .common
        guard let owner = try owner(id, sealingFor: role) else {
            throw VaultError(.notFound, "The owner of the record was erased.")
        }
        return try SealedField.seal(
            plaintext, under: owner.key(role),
            for: keyring.context(owner: id, table: table, column: column, row: row, generation: generation),
            padded: true)
    }

    private func named<Row: TypedRow>(_ row: Row, previous: Int64?) throws -> StoredRow {
        let stored = try StoredRow(
            Row.layout, id: row.rowID, columns: row.columns, leaf: leaf, rowKey: keyring.rows)
        note(stored, previous: previous)
        return stored
    }

    private func note(_ stored: StoredRow, previous: Int64?) {
        register(stored)
        note(stored.layout, stored.id, hash: stored.hash, previous: previous)
    }

    private func note(_ layout: TableLayout, _ id: Int64, hash: Digest?, previous: Int64?) {
        var previous = previous
        // A row written twice for one entry is named once, as it was left.
        if let index = rows.firstIndex(where: { $0.table == layout.number && $0.id == id }) {
            previous = rows.remove(at: index).previous
        }
        rows.append(RowChange(table: layout.number, id: id, hash: hash, previous: previous))
        leaves[RowName(table: layout.number, id: id)] = hash == nil ? nil : leaf
        hasChanges = true
    }

    /// The leaf that names a row now; nil where there is no such row.
    private func namingLeaf(_ layout: TableLayout, _ id: Int64) throws -> Int64? {
        if let known = leaves[RowName(table: layout.number, id: id)] { return known }
        return try database.firstRow(layout.selectLeafByID, [.integer(id)]) { $0.integer(0) }
    }

    private func write(_ stored: StoredRow, _ isIndexUnchanged: Bool, _ expected: Int64?) throws {
        let layout = stored.layout
        var values = (isIndexUnchanged ? layout.settableUnindexed : layout.settable).map(
            stored.value(inColumn:))
        values.append(.integer(stored.id))
        if let expected { values.append(.integer(expected)) }
        let count = try database.run(isIndexUnchanged ? layout.updateUnindexedSQL : layout.updateSQL, values)
        guard count == 1 else { throw LostRow.error(layout, stored.id) }
        hasChanges = true
    }
}

// MARK: - Bodies of a batch

extension WriteTransaction {
    /// Before a body: what a rollback of its savepoint must undo here.
    func beginBody() {
        rows = []
        leaves.removeAll(keepingCapacity: true)
        vaultBeforeBody = vault
        rosterBeforeBody = roster.value
        renewedRowSetBeforeBody = renewedRowSet
        hasChangesBeforeBody = hasChanges
        entriesBeforeBody = entries.count
        cosignersBeforeBody = cosigners.count
    }

    /// Makes an entry that names the rows which the body changed until now; what it changes later is named by the
    /// next one.
    func log(_ event: AuditEvent) {
        entries.append(PendingEntry(event, rows: rows))
        rows = []
    }

    /// The body ended well: its events become entries, the first of which names the rows not named yet.
    func endBody(_ events: [AuditEvent]) throws {
        let isNamed = vault.stamp == vaultBeforeBody.stamp || entries.count > entriesBeforeBody
        guard (rows.isEmpty && isNamed) || !events.isEmpty else {
            throw VaultError(.internalError, "A body changed rows and named no event.")
        }
        for (index, event) in events.enumerated() {
            entries.append(PendingEntry(event, rows: index == 0 ? rows : []))
        }
        rows = []
    }

    /// The body failed and its savepoint was rolled back.
    func abandonBody() {
        rows = []
        entries.removeLast(entries.count - entriesBeforeBody)
        cosigners.removeLast(cosigners.count - cosignersBeforeBody)
        vault = vaultBeforeBody
        roster.value = rosterBeforeBody
        renewedRowSet = renewedRowSetBeforeBody
        hasChanges = hasChangesBeforeBody
    }

    /// The signed note over the head as it will be committed.
    func sign(_ head: LogHead) throws -> String {
        let text = head.checkpoint(named: origin).body
        return try cosigners.reduce(try signer.sign(text)) { try $0 + $1.signatureLine(of: text) }
    }

    /// After the last body: writes the vault row if a counter moved.
    func finish() throws {
        if changesRegistry {
            vault.registryHash = keyring.registryHash(roster.value, vault.stamp, renewed: renewedRowSet)
        }
        if vault != unchangedVault { try vault.update(database, rowKey: keyring.rows) }
    }
}
