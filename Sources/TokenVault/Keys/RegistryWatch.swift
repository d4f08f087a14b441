import GRDB
import MerkleLog
import Synchronization
import VaultCore

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
