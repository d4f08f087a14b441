public import Logging
import MerkleLog
package import Metrics
package import SQLiteStore
import Synchronization
import TokenRotation
public import VaultCore
import VaultCrypto
import VaultMigrations
package import VaultStore

/// An open vault, and everything in it.
///
/// ```swift
/// let vault = try await Vault.open(at: "/var/lib/app/vault", unlockedBy: .keyFile(path: "/etc/app/vault.key"))
/// let user = try await vault.users.add("alice")
/// await vault.close()
/// ```
///
/// Every write is durable when it returns (fsync at commit), carries its audit entry in the same transaction, and may
/// share that transaction with others that arrived meanwhile. Reads see what is committed; a vault in a file answers them
/// on the caller's thread, except those of many rows, which have one of their own. Safe to use from any task, and by
/// several processes at once on one machine.
public final class Vault: Sendable {
    public let id: VaultID
    /// The roles that the vault was opened for.
    public let roles: VaultRoles
    /// The path of the database file; `postgres:NAME` for a vault in PostgreSQL.
    public let path: String
    /// Counters of the write path.
    public let statistics: CommitStatistics
    package let clock: any VaultClock
    package let logger: Logger
    package let store: any VaultStore
    package let queue: CommitQueue
    /// For the reads of a store behind a network.
    private let readingThreads: ReadingThreads?
    package let liveKeys: LiveKeys
    package let registry: Registry
    let firstUses: FirstUses
    let knownVaultRow = KnownVaultRow()
    let refusals: RefusalLimiter
    let companions = Companions()
    private let closers = Mutex<[@Sendable () async -> Void]>([])
    package let anchorCheck: (any AnchorCheck)?
    let knownScopes = KnownOfRegistry<Set<String>>()
    let damage = DamageNotes()
    /// Opens the vault again after another process rotated the root key.
    package let unlocker: Unlocker
    /// The actor of what is done without a client: the operator's pseudonym, through this process's door.
    package let operatorActor: AuditActor
    /// The keys as last known to this process, for what opens and makes tokens. What reads or writes rows
    /// takes those of its snapshot or transaction.
    package var keyring: Keyring { liveKeys.current.keyring }
    /// Whether one more write would be taken now.
    package var acceptsNewWork: Bool { store.acceptsNewWork }
    /// Now, by the clocks that a write would be decided by.
    package var time: StoreTime { store.time(by: clock) }
    /// By how much the database server's clock is ahead of this machine's; nil for a vault in a file.
    package var serverClockSkew: Duration? { (clock as? StoreClock)?.skew }
    /// Writes waiting now.
    package var queueDepth: Int { queue.depth }

    init(_ opened: OpenedStore, configuration: VaultConfiguration) throws {
        id = opened.keys.current.keyring.vault
        roles = opened.keys.current.keyring.opened.roles
        path = opened.store.path
        clock =
            opened.store.isRemote
            ? StoreClock(opened.store, configuration.clock) : configuration.clock as any VaultClock
        readingThreads = opened.store.isRemote ? ReadingThreads() : nil
        logger = configuration.logger
        anchorCheck = configuration.anchors
        store = opened.store
        liveKeys = opened.keys
        unlocker = opened.unlocker
        statistics = CommitStatistics(configuration.metrics)
        registry = Registry()
        firstUses = FirstUses()
        refusals = RefusalLimiter()
        operatorActor = AuditActor(
            opened.keys.current.system.pseudonym, configuration.channel, configuration.actor)
        queue = CommitQueue(
            CommitEngine(
                opened, registry: registry, firstUses: firstUses, refusals: refusals, statistics: statistics,
                clock: configuration.clock))
    }

    /// Registers work that ends something which needs the vault. ``close()`` runs it first, last registered first.
    public func beforeClosing(_ work: @escaping @Sendable () async -> Void) {
        closers.withLock { $0.append(work) }
    }

    /// Runs what was registered with ``beforeClosing(_:)``, finishes the writes already taken, then closes the file. Later
    /// calls get ``VaultError/Code/unavailable``; closing again does nothing.
    public func close() async {
        for work in closers.withLock({ closers in
            defer { closers = [] }
            return closers.reversed()
        }) { await work() }
        if !queue.isClosed { await writeLastThings() }
        try? await BlockingThread.result { [self] in closeFiles() }
    }

    private func writeLastThings() async {
        do {
            try await flushFirstUses()
            try await writeRefusals(isLast: true)
        } catch {
            logger.warning(
                "First uses or counts of refusals could not be written at closing.",
                metadata: ["error": "\(error)"])
        }
        await anchorCheck?.vaultWillClose(self)
    }

    func closeFiles() {
        guard queue.close() else { return }
        readingThreads?.close()
        do { try store.close() } catch {
            logger.warning("The vault did not close cleanly.", metadata: ["error": "\(error)"])
        }
    }
}

/// The settings with which a vault is opened.
public struct VaultConfiguration: Sendable {
    /// The interface that the log names for what is done.
    public var channel: AuditChannel
    public var clock: any VaultClock
    /// Who acts for the operator; kept sealed beside the entries of what no client or user does.
    public var actor: ActorDetails?
    public var logger: Logger
    /// Read-only connections; two suit a machine of few cores.
    public var readers = 2
    /// Opens a vault that is behind its anchors, or has forked from them: for restoring an older one on purpose.
    public var ignoresAnchors = false
    /// Compares the vault with its anchors when it is opened, and tells them when it is closed. Without it, a vault that has
    /// anchors does not open.
    public var anchors: (any AnchorCheck)?
    /// Nil: what the program has set up.
    package var metrics: (any MetricsFactory)?
    /// Text of migrations after those of this version, as a later one may have them.
    package var laterMigrations: [String] = []
    package var ledger: SchemaLedger {
        let later = laterMigrations.enumerated().map {
            Migration(version: Migration.all.count + 1 + $0.offset, sql: $0.element)
        }
        return SchemaLedger(Migration.all + later)
    }

    public init(
        channel: AuditChannel = .library, clock: any VaultClock = SystemClock(),
        logger: Logger = Logger(label: "tokenvault", factory: { _ in SwiftLogNoOpLogHandler() })
    ) {
        self.channel = channel
        self.clock = clock
        self.logger = logger
    }
}

// MARK: - The one door for reading

extension Vault {
    /// Reads several rows as of one moment, with the keys that fit them.
    ///
    /// SQLite answers in place: no other thread, no continuation. A store behind a network is asked by a thread of the vault's.
    package func snapshot<Result>(
        _ body: @escaping (Database, SnapshotKeys) throws -> Result
    ) async throws -> Result {
        guard let readingThreads else { return try snapshotInPlace(body) }
        return try await vouched { try await readingThreads.run { [self] in try snapshotInPlace(body) } }
    }

    /// The row that a question finds, as of one moment with what `body` asks further; nil without such a row. What is
    /// asked for at the same time costs one turn of a store behind a network.
    func row<Result>(
        _ question: StoreQuestion, _ body: @escaping (Database, RowCursor) throws -> Result
    ) async throws -> Result? {
        guard let readingThreads else {
            return try store.reader.read { database in
                try database.firstRow(question.sql, question.values) { try body(database, $0) }
            }
        }
        return try await vouched {
            try await readingThreads.lookUp(question, in: store.reader, body)
        }
    }

    /// Each statement of `body` sees the newest state, which the store need not vouch for.
    package func read<Result>(_ body: @escaping (Database) throws -> Result) async throws -> Result {
        guard let readingThreads else { return try store.reader.read(body) }
        return try await readingThreads.run { [store] in try store.reader.read(body) }
    }

    /// As ``snapshot(_:)`` for what may read many rows: off the threads that tasks share, and not vouched for.
    package func scan<Result: Sendable>(
        _ body: @escaping @Sendable (Database, SnapshotKeys) throws -> Result
    ) async throws -> Result {
        try await BlockingThread.result { [self] in try snapshotInPlace(body) }
    }

    /// Reads on a connection of its own, for long work that other readers would wait for.
    package func study<Result: Sendable>(
        _ body: @escaping @Sendable (Database, SnapshotKeys) throws -> Result
    ) async throws -> Result {
        try await BlockingThread.result { [store, liveKeys] in
            try store.withOwnReader { try body($0, liveKeys.keys(for: $0)) }
        }
    }

    /// For work that has a thread of its own.
    package func snapshotInPlace<Result>(_ body: (Database, SnapshotKeys) throws -> Result) throws -> Result {
        let floor = liveKeys.floor
        return try store.reader.snapshot { [liveKeys] database in
            try body(database, liveKeys.keys(for: database, above: floor))
        }
    }
}

// MARK: - The write path for the operations of this module

extension Vault {
    /// The only way to change anything that matters: the body returns its result with its audit events.
    package func write<Result: Sendable>(
        _ urgency: WriteUrgency = .newWork, reading wanted: [WantedRow] = [],
        _ body: @escaping @Sendable (WriteTransaction) throws -> Audited<Result>
    ) async throws -> Result {
        try await queue.submit(urgency, reading: wanted, body)
    }

    /// Does something to the rows that meet a condition, a few at a time, until it is done to all. Each names its row by an
    /// entry of its own, and meets the condition no more.
    func writeEach<Row: TypedRow>(
        _: Row.Type, where condition: String, _ values: [SQLValue],
        _ body: @escaping @Sendable (Row, WriteTransaction) throws -> Void
    ) async throws {
        var isDone = false
        while !isDone {
            isDone = try await queue.submit(.finishing) { transaction in
                let rows = try transaction.database.loadAll(
                    Row.self, where: condition + " LIMIT ?", values + [.integer(Int64(Limits.rowsPerLeaf))],
                    transaction.keyring)
                for row in rows { try body(row, transaction) }
                return .logged(rows.count < Limits.rowsPerLeaf)
            }
        }
    }

    /// Upkeep without a leaf: heartbeat, job progress, sign-in sessions, used assertions, expired rows.
    package func housekeep<Result: Sendable>(
        _ body: @escaping @Sendable (WriteTransaction) throws -> Result
    ) async throws -> Result {
        try await queue.submit(.housekeeping) { .upkeep(try body($0)) }
    }

    /// What a token of ours says, or nil for anything we did not make. Another process may have rotated the
    /// key of handles and issued this token since we read the keys: only a token that names a key we do not
    /// know makes us look, and looking costs as much as looking the grant up would.
    func openHandle(_ token: SecretBytes, as kind: TokenKind) async throws -> TokenHandle? {
        let sealer = try keyring.handles
        if let handle = sealer.open(token, as: kind) { return handle }
        guard sealer.namesUnknownKey(token, as: kind) else { return nil }
        return try await snapshot { _, keys in try keys.keyring.handles.open(token, as: kind) }
    }

    /// Writes an entry that changes nothing and that others can cause at will, at a bounded rate: the rest is counted. What is
    /// not ``AuditEvent/isLimited``, strangers can cause.
    package func record(_ event: AuditEvent) async throws {
        if event.isLimited, refusals.allowance.admits(event, at: clock.monotonic()) {
            return try await write(.finishing) { _ in Audited((), event) }
        }
        refusals.count(event)
        try await writeRefusals()
    }

    /// Writes what was counted of refusals, when it is time.
    func writeRefusals(isLast: Bool = false) async throws {
        guard let folded = refusals.take(at: clock.monotonic(), isLast: isLast), let event = folded.event
        else { return }
        do { try await write(.finishing) { _ in Audited((), event) } } catch {
            refusals.count(folded)
            throw error
        }
    }
}
