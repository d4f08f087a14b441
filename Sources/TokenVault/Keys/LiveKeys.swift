import MerkleLog
import Synchronization
import VaultCore
package import VaultCrypto
package import VaultStore

/// The keyring of an open vault as it is now, and the state of the registry that goes with it.
///
/// Keys are rotated while services run, by them or by another process. Anyone who reads or writes asks for the keyring
/// that fits what the database shows: every change makes another stamp, so mostly that is a look at 16 bytes. A new
/// root key is opened by what the vault was opened with.
///
/// Another stamp is taken only when the last entry of the log names it, under a signed head, and when the rows are the
/// ones that the vault row counts: an earlier vault row that is put back is genuine, but no longer named.
package final class LiveKeys: Sendable {
    private struct State {
        var keys: SnapshotKeys
        /// How long the log was when it was last seen to name the stamp of `keys`.
        var size: Int64
        /// Every snapshot begun after this was written shows as much of the log, or more; and no counter goes back.
        var floor: (logSize: Int64, vault: VaultRow)
        /// A root key that this process is about to make the current one.
        var expected: GuardedKey?
        /// Why nothing is read or written any more.
        var end: VaultError?
    }

    /// What spoke against the file when it was opened; nothing is read or written through the vault then.
    let doubt: VaultError?
    private let state: Mutex<State>
    private let unlocker: Unlocker
    /// Whether what is read may be of a server that was replaced, or of a commit that is lost with it.
    private let isRemote: Bool
    /// Held while keys are read again: however many notice at once, a passphrase is hashed once.
    private let turn = Mutex<Void>(())

    /// - Parameter logSize: in the snapshot that `keys` and `vault` were read in.
    init(
        _ keys: SnapshotKeys, _ vault: VaultRow, logSize: Int64, doubt: VaultError?, unlocker: Unlocker,
        isRemote: Bool
    ) {
        self.isRemote = isRemote
        self.doubt = doubt
        state = Mutex(
            State(
                keys: keys.at(doubt == nil ? vault.stamp : nil), size: doubt == nil ? logSize : -1,
                floor: (logSize, vault), expected: nil))
        self.unlocker = unlocker
    }

    /// This process is about to commit a new root key: it will not have to open it.
    package func expect(_ root: GuardedKey) { state.withLock { $0.expected = root } }

    /// The store lost what this process committed: nothing is read or written any more.
    ///
    /// - Returns: the error, or the one that it ended with before.
    func stop(_ error: VaultError) -> VaultError {
        state.withLock { state in
            let first = state.end ?? error
            state.end = first
            return first
        }
    }

    /// Why nothing is read or written any more; nil while it is.
    package var end: VaultError? { state.withLock { $0.end } }

    /// As last known to this process.
    package var current: SnapshotKeys { state.withLock { $0.keys } }

    /// How many entries every snapshot begun from now on shows, or more.
    package var floor: Int64 { state.withLock { $0.floor.logSize } }

    /// The keys that fit the snapshot `database` shows.
    ///
    /// - Parameter floor: asked for before the snapshot was begun.
    /// - Throws: ``VaultError/Code/locked`` when the source opens no keyslot any more, ``VaultError/Code/integrity``
    ///   when the snapshot is older than it can be, or its rows are not the ones that its vault row counts.
    package func keys(for database: Database, above floor: Int64 = 0) throws -> SnapshotKeys {
        let shown = try database.firstRow(
            "SELECT stamp, (SELECT size FROM audit_head WHERE id = 1) FROM vault WHERE id = 1"
        ) { (RegistryRevision($0, at: 0), $0.integer(1)) }
        guard let (stamp, size) = shown, let stamp else { throw VaultRow.damaged }
        return try keys(for: database, stamp, logSize: size, above: floor, LastCommit(database))
    }

    /// The same where the stamp of the snapshot is known.
    ///
    /// - Parameter last: what it shows of the last commit, where that is not this process's.
    func keys(
        for database: Database, _ stamp: RegistryRevision, logSize: Int64, above floor: Int64,
        _ last: @autoclosure () throws -> LastCommit
    ) throws -> SnapshotKeys {
        guard logSize >= floor else { throw end ?? outdated }
        // A longer log is another process's work, whose last entry may name another stamp than the row that is there now.
        let held = try state.withLock {
            if let end = $0.end { throw end }
            return $0.keys.revision == stamp && logSize <= $0.size ? $0.keys : nil
        }
        return try held ?? accept(last(), database, above: floor)
    }

    /// For those who look what is wrong: where the database shows no keys that prove themselves, those known last.
    package func keys(examining database: Database) throws -> SnapshotKeys {
        do { return try keys(for: database) } catch let error as VaultError where error.code == .integrity {
            return current
        }
    }

    private func accept(
        _ last: LastCommit, _ database: Database, above floor: Int64
    ) throws -> SnapshotKeys {
        let vault = try last.rows.vault.row
        // Mostly only users changed: then the rows are the same, and with them the keys.
        func fitting() -> SnapshotKeys? {
            let known = current
            return known.keyring.fits(vault) ? known : nil
        }
        let keys = try fitting() ?? turn.withLock { _ in try fitting() ?? load(database, vault) }
        let size = try keys.prove(last, database)
        guard size >= floor else { throw end ?? outdated }
        return try state.withLock { state in
            // A reader on an older snapshot must not bring back what a newer one has replaced.
            guard size > state.size else {
                // The commit that wrote it, or another reader, was faster.
                if size == state.size, state.keys.revision == vault.stamp { return state.keys }
                // Of a remote store another log may have been there for a moment, and was never confirmed.
                guard size < state.size || isRemote else { throw VaultRow.outdated }
                return keys.at(nil)
            }
            (state.keys, state.size) = (keys.at(vault.stamp), size)
            return state.keys
        }
    }

    private func load(_ database: Database, _ vault: VaultRow) throws -> SnapshotKeys {
        let held = state.withLock { $0 }
        let keyring = held.keys.keyring
        let isSame =
            switch keyring.opened {
            case .root: vault.keyEpoch == Int64(keyring.epoch)
            case .role(let role, let epoch, _): try database.slotEpochs()[VaultRoles(role)] == epoch
            }
        if isSame { return try SnapshotKeys.load(database, opened: keyring.opened) }
        if let expected = held.expected, let keys = try? SnapshotKeys.load(database, opened: .root(expected))
        {
            state.withLock { $0.expected = nil }
            return keys
        }
        return try SnapshotKeys.load(
            database, opened: unlocker.open(database, vault.id, database.slotEpochs()))
    }

    /// Raises the floor to what the holder of the writer's lock sees.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when that is less than was there before.
    func reach(_ vault: VaultRow, logSize: Int64) throws {
        try state.withLock { state in
            guard !vault.isOlder(than: state.floor.vault), logSize >= state.floor.logSize else {
                // A log that goes on from ours, with an older record: no server was ever like that.
                throw logSize < state.floor.logSize ? outdated : VaultRow.outdated
            }
            // What a server shows is what there is when it confirms a commit after it.
            if !isRemote { state.floor = (logSize, vault) }
        }
    }

    /// A database that is older than it was: in a file it is damage, and a server may have been replaced.
    private var outdated: VaultError { isRemote ? VaultError.serverWasReplaced : VaultRow.outdated }

    /// Takes note of a commit of this process.
    func committed(_ transaction: WriteTransaction, _ head: LogHead) {
        let stamp = transaction.vault.stamp
        state.withLock { state in
            state.floor = (head.size, transaction.vault)
            guard stamp != state.keys.revision else { return state.size = max(state.size, head.size) }
            // New keys are read as those of another process are.
            guard !transaction.changesKeys else { return }
            state.keys = SnapshotKeys(
                keyring: transaction.keyring, system: state.keys.system, revision: stamp)
            state.size = head.size
        }
    }
}

/// A keyring with the key of the vault's own owner, and what they were read from.
package final class SnapshotKeys: Sendable {
    package let keyring: Keyring
    /// The owner of what belongs to no client or user, who is the operator in the log.
    package let system: Owner
    /// Of the registry in the snapshot these were asked for; nil: keep nothing that is read in it.
    let revision: RegistryRevision?

    init(keyring: Keyring, system: Owner, revision: RegistryRevision?) {
        (self.keyring, self.system, self.revision) = (keyring, system, revision)
    }

    fileprivate func at(_ revision: RegistryRevision?) -> SnapshotKeys {
        SnapshotKeys(keyring: keyring, system: system, revision: revision)
    }

    /// Reads the keys and checks them, the vault row, and the system's owner by their tags. Whether they are the newest is
    /// for ``prove(_:)`` to say.
    static func load(_ database: Database, opened: OpenedKey) throws -> SnapshotKeys {
        let vault = try VaultRow.read(database, rowKey: nil)
        let keyring = try Keyring.load(database, vault: vault, opened: opened)
        _ = try VaultRow.read(database, rowKey: keyring.rows)
        guard let system = try database.owner(.system, keyring) else {
            throw VaultError(.integrity, "The vault's own owner is missing.", remedy: "Restore a backup.")
        }
        let roster = LiveRoster(try Roster(database, keyring.rowSet))
        return SnapshotKeys(keyring: keyring.showing(roster), system: system, revision: nil)
    }

    /// Shows that the vault row is the one that the last entry of the signed log names, and the rows those that it counts.
    ///
    /// - Returns: the size of the log.
    /// - Throws: ``VaultError/Code/integrity``.
    func prove(_ last: LastCommit, _ database: Database) throws -> Int64 {
        let (vault, head) = try last.rows
        try vault.check(keyring.rows)
        guard head.isSigned(by: keyring.signer.key), try last.entry(database)?.stamp == vault.row.stamp.hex
        else { throw VaultRow.outdated }
        guard keyring.fits(vault.row) else { throw Roster.differs }
        return head.size
    }

    /// The registry's revision, once the vault row that it is read from has proved authentic.
    package func checkedRevision(_ database: Database) throws -> RegistryRevision? {
        _ = try VaultRow.read(database, rowKey: keyring.rows)
        return revision
    }
}
