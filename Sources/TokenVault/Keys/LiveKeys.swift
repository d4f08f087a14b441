import GRDB
import Synchronization
import VaultCore
import VaultCrypto

/// The keyring of an open vault as it is now.
///
/// Keys are rotated while services run, by them or by another process. Anyone who reads or writes asks for the keyring
/// that fits what the database shows: every change of keys makes another revision of the registry, so mostly that is a
/// look at two numbers. A new root key is opened by what the vault was opened with.
final class LiveKeys: Sendable {
    private struct State {
        var keys: VaultKeys
        /// The registry's revision at which `keys` were found to be the current ones.
        var revision: RegistryRevision?
        /// A root key that this process is about to make the current one.
        var expected: GuardedKey?
    }

    let watch: RegistryWatch
    private let state: Mutex<State>
    private let unlocker: Unlocker
    /// Held while keys are read again: however many notice at once, a passphrase is hashed once.
    private let turn = Mutex<Void>(())

    /// - Parameter watch: of the snapshot that `keys` were read in.
    init(_ keys: VaultKeys, watch: RegistryWatch, unlocker: Unlocker) {
        self.watch = watch
        state = Mutex(State(keys: keys))
        self.unlocker = unlocker
    }

    /// This process is about to commit a new root key: it will not have to open it.
    func expect(_ root: GuardedKey) { state.withLock { $0.expected = root } }

    /// As last known to this process.
    var current: VaultKeys { state.withLock { $0.keys } }

    /// The keys that fit the snapshot `database` shows.
    ///
    /// - Parameter floor: asked for before the snapshot was begun.
    /// - Throws: ``VaultError/Code/locked`` when the source opens no keyslot any more, ``VaultError/Code/integrity``
    ///   when the snapshot is older than it can be.
    func keys(for database: Database, above floor: RegistryWatch.Floor? = nil) throws -> VaultKeys {
        let (number, logSize) =
            try database.firstRow(
                "SELECT registry_revision, (SELECT size FROM audit_head WHERE id = 1) FROM vault WHERE id = 1"
            ) { ($0.integer(0), $0.integer(1)) } ?? (0, 0)
        return try keys(
            for: database,
            revision: watch.revision(database, number: number, logSize: logSize, above: floor))
    }

    /// The same where the revision of the snapshot is known.
    func keys(for database: Database, revision: RegistryRevision?) throws -> VaultKeys {
        let held = state.withLock { revision != nil && $0.revision == revision ? $0.keys : nil }
        var keys = try held ?? turn.withLock { _ in try reload(database, revision) }
        keys.revision = revision
        return keys
    }

    private func reload(_ database: Database, _ revision: RegistryRevision?) throws -> VaultKeys {
        let held = state.withLock { $0 }
        if let revision, held.revision == revision { return held.keys }
        let mark = try VaultKeys.mark(database)
        let keys: VaultKeys
        if mark == held.keys.mark {
            keys = held.keys
        } else {
            let vault = try VaultRow.read(database, rowKey: nil)
            keys = try load(database, vault, held)
        }
        // A reader on an older snapshot must not bring back what a newer one has replaced.
        guard let revision else { return keys }
        state.withLock { state in
            if state.revision.map({ revision > $0 }) ?? true {
                (state.keys, state.revision) = (keys, revision)
            }
        }
        return keys
    }

    private func load(_ database: Database, _ vault: VaultRow, _ held: State) throws -> VaultKeys {
        guard vault.keyEpoch != Int64(held.keys.keyring.epoch) else {
            return try VaultKeys.load(database, root: held.keys.keyring.root)
        }
        if let expected = held.expected, let keys = try? VaultKeys.load(database, root: expected) {
            state.withLock { $0.expected = nil }
            return keys
        }
        return try VaultKeys.load(database, root: unlocker.root(database, vault: vault))
    }
}

/// A keyring with the key of the vault's own owner, and what they were read from.
struct VaultKeys: Sendable {
    let keyring: Keyring
    /// The owner of what is nobody else's, who is the operator in the log.
    let system: Owner
    fileprivate let mark: String
    /// Of the registry in the snapshot these were asked for; nil: keep nothing that is read in it.
    fileprivate(set) var revision: RegistryRevision?

    /// Reads and checks the keys, the vault row, and the system's owner.
    static func load(_ database: Database, root: GuardedKey) throws -> VaultKeys {
        let vault = try VaultRow.read(database, rowKey: nil)
        let keyring = try Keyring.load(database, vault: vault, root: root)
        _ = try VaultRow.read(database, rowKey: keyring.rows)
        guard let system = try database.owner(.system, keyring) else {
            throw VaultError(.integrity, "The vault's own owner is missing.", remedy: "Restore a backup.")
        }
        return VaultKeys(keyring: keyring, system: system, mark: try mark(database))
    }

    /// The registry's revision, once the vault row that it is read from has proved authentic.
    func checkedRevision(_ database: Database) throws -> RegistryRevision? {
        _ = try VaultRow.read(database, rowKey: keyring.rows)
        return revision
    }

    /// Changes whenever keys do: which rows keys are in, and the entries that name their present state.
    fileprivate static func mark(_ database: Database) throws -> String {
        let mark = try database.firstRow(
            """
            SELECT (SELECT key_epoch FROM vault) || ' '
                || (SELECT count(*) || ' ' || total(leaf) || ' ' || max(leaf) FROM system_keys) || ' '
                || (SELECT count(*) || ' ' || total(leaf) FROM retired_roots) || ' '
                || (SELECT leaf FROM owners WHERE id = 1) || ' '
                || (SELECT count(*) FROM previous_owner_keys WHERE id = 1)
            """
        ) { row -> String? in
            if case .text(let text) = row.value(0) { text } else { nil }
        }
        guard let mark = mark ?? nil else { throw VaultRow.damaged }
        return mark
    }
}
