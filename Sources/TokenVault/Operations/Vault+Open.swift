import Foundation
import MerkleLog
import PostgresStore
package import SQLiteStore
import TokenRotation
public import VaultCore
public import VaultCrypto
package import VaultStore

/// What opening produced: the file and its keys.
struct OpenedStore: Sendable {
    let store: any VaultStore
    let keys: LiveKeys
    let head: LogHead
    let unlocker: Unlocker
}

extension Vault {
    /// Opens an existing vault and writes that into its log.
    ///
    /// - Parameters:
    ///   - place: its file, or its PostgreSQL database.
    ///   - source: what opens one of its keyslots.
    ///   - roles: what to hold keys for, at most: a service of one role need not have the others' in its memory. A keyslot
    ///     for one role gives that role's keys alone.
    /// - Throws: ``VaultError`` with the code
    ///   `not_found` (no file), `not_a_vault` (another file), `permission_denied`, `read_only`,
    ///   `locked` (no keyslot opens with this source), `denied` (its keyslot is for another role), `schema_newer`,
    ///   `schema_changed`, `integrity` (also: behind, or forked from, what an anchor was told), `unavailable` (it has anchors, and the options have
    ///   nothing to compare them with; or PostgreSQL does not answer), `busy`, `invalid_input` (no name of a service). A vault whose own record
    ///   was put back, or whose clients, keys or settings were, opens for `log.verify()` and `examine()`
    ///   of the modules above; all else throws `integrity` then.
    public static func open(
        at place: VaultPlace, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration(),
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        try await begin(
            await BlockingThread.result {
                try Sodium.start()
                // A passphrase takes a while: nobody waits for a lock meanwhile.
                let opened = try openStore(place, configuration) { store in
                    try store.reader.snapshot { try unlock($0, store, source, roles) }
                }
                let vault = try Vault(opened, configuration: configuration)
                do {
                    if !configuration.ignoresAnchors, vault.liveKeys.doubt == nil { try vault.checkAnchors() }
                } catch {
                    vault.closeFiles()
                    throw vault.store.translateOpening(error)
                }
                return vault
            })
    }

    /// Opens the vault in a file, as ``open(at:unlockedBy:configuration:for:)`` does.
    ///
    /// - Parameter path: of the database file.
    public static func open(
        at path: String, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration(),
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        try await open(at: .file(path), unlockedBy: source, configuration: configuration, for: roles)
    }

    /// Opens the vault in a store.
    package static func open(
        in store: any VaultStore, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration(),
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        try await begin(
            await BlockingThread.result {
                try Vault(
                    store.reader.snapshot { try unlock($0, store, source, roles) },
                    configuration: configuration)
            })
    }

    /// A new vault in memory: nothing of it is left when the last that has it open is gone.
    package static func create(
        in store: MemoryStore, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration()
    ) async throws -> Vault {
        try store.create(
            at: configuration.clock.now(), beginning(unlockedBy: source, configuration: configuration))
        return try await open(in: store, unlockedBy: source, configuration: configuration)
    }

    /// What the first transaction of a vault writes into its tables.
    package static func beginning(
        unlockedBy source: KeySource, configuration: VaultConfiguration
    ) -> (any StoreTransaction) throws -> Void {
        { try Genesis(configuration).populate($0, source, configuration) }
    }

    private static func begin(_ vault: Vault) async throws -> Vault {
        do {
            if let doubt = vault.liveKeys.doubt {
                vault.noteDamage(doubt)
                return vault
            }
            // A full disk does not keep anybody from looking.
            try await vault.write(.finishing) { [actor = vault.operatorActor] _ in
                Audited((), AuditEvent(.vaultOpen, by: actor))
            }
        } catch {
            await vault.close()
            throw error
        }
        return vault
    }

    /// Opens a vault whose root key is known, because it is being restored. Writes nothing by itself.
    package static func opened(at path: String, root: GuardedKey, configuration: VaultConfiguration) throws
        -> Vault
    {
        let opened = try openStore(.file(path), configuration) { store in
            try store.reader.snapshot { database in
                try unlocked(
                    database, store, VaultRow.read(database, rowKey: nil), .root(root), Unlocker(root: root))
            }
        }
        return try Vault(opened, configuration: configuration)
    }

    private static func openStore(
        _ place: VaultPlace, _ configuration: VaultConfiguration,
        _ unlock: (any VaultStore) throws -> OpenedStore
    ) throws -> OpenedStore {
        let store: any VaultStore
        switch place {
        case .file(let path):
            store = try SQLiteStore.existing(
                at: path, ledger: configuration.ledger, readers: configuration.readers,
                logger: configuration.logger, at: configuration.clock.now())
        case .postgres(let service):
            store = try PostgresStore(at: PostgresPlace(service: service), logger: configuration.logger)
        }
        do { return try unlock(store) } catch {
            try? store.close()
            throw store.translateOpening(error)
        }
    }

    private static func unlock(
        _ database: Database, _ store: any VaultStore, _ source: KeySource, _ roles: VaultRoles
    ) throws -> OpenedStore {
        let vault = try VaultRow.read(database, rowKey: nil)
        let (key, unlocker) = try Unlocking.unlock(database, vault: vault, source, for: roles)
        return try unlocked(database, store, vault, key, unlocker)
    }

    private static func unlocked(
        _ database: Database, _ store: any VaultStore, _ vault: VaultRow, _ opened: OpenedKey,
        _ unlocker: Unlocker
    ) throws -> OpenedStore {
        let keys = try SnapshotKeys.load(database, opened: opened)
        let head = try LogHead.read(database)
        guard head.isSigned(by: keys.keyring.signer.key), try head.isTimed(database) else {
            throw VaultError(
                .integrity, "The head of the audit log is not signed by this vault.",
                remedy: "Verify the audit log of a copy, then restore a backup.")
        }
        var doubt: VaultError?
        do { _ = try keys.prove(LastCommit(database), database) } catch let error as VaultError
            where error.code == .integrity
        {
            doubt = error
        }
        return OpenedStore(
            store: store,
            keys: LiveKeys(
                keys, vault, logSize: head.size, doubt: doubt, unlocker: unlocker, isRemote: store.isRemote),
            head: head, unlocker: unlocker)
    }

    /// Creates a vault and opens it. A crash leaves no half vault behind.
    ///
    /// - Parameters:
    ///   - place: a path that is free, or a PostgreSQL database that has no vault yet.
    ///   - source: becomes the first keyslot; a key file must exist (``createKeyFile(at:)``).
    ///   - isSingle: in PostgreSQL, that no standby has to confirm what is committed: it is lost with the one server's disk.
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (no such directory), and what
    ///   ``open(at:unlockedBy:configuration:for:)`` throws.
    public static func create(
        at place: VaultPlace, unlockedBy source: KeySource, isSingle: Bool = false,
        configuration: VaultConfiguration = VaultConfiguration()
    ) async throws -> Vault {
        try await BlockingThread.result {
            try Sodium.start()
            let genesis = Genesis(configuration)
            let now = configuration.clock.now()
            switch place {
            case .file(let path):
                try SQLiteStore.create(at: path, at: now) { try genesis.populate($0, source, configuration) }
            case .postgres(let service):
                let store = try PostgresStore.create(
                    at: PostgresPlace(service: service), isSingle: isSingle, logger: configuration.logger,
                    at: now
                ) { try genesis.populate($0, source, configuration) }
                try store.close()
            }
        }
        return try await open(at: place, unlockedBy: source, configuration: configuration)
    }

    /// Creates a vault in a file, as ``create(at:unlockedBy:isSingle:configuration:)`` does.
    public static func create(
        at path: String, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration()
    ) async throws -> Vault {
        try await create(at: .file(path), unlockedBy: source, configuration: configuration)
    }

    /// Creates a key file: 32 random bytes that only the owner of the file may read.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``: a key file is never overwritten.
    public static func createKeyFile(at path: String) throws {
        try Sodium.start()
        try Keyslot.createKeyFile(at: path)
    }
}

/// The first transaction of a vault, behind its schema: keys, the system's owner, and leaf 0 that names them.
private struct Genesis {
    private let now: VaultInstant
    private let monotonic: ClockReading

    init(_ configuration: VaultConfiguration) {
        (now, monotonic) = (configuration.clock.now(), configuration.clock.reading())
    }

    func populate(_ opened: any StoreTransaction, _ source: KeySource, _ configuration: VaultConfiguration)
        throws
    {
        guard let id = VaultID(bytes: SystemRandom().bytes(VaultID.byteCount)) else {
            throw VaultError(.internalError, "A vault identifier has the wrong length.")
        }
        let root = GuardedKey.random()
        let roleKeys = KeyRole.allCases.map { RoleKey(role: $0, epoch: 1, key: .random()) }
        let keys = SystemKeyPurpose.allCases.flatMap { purpose in
            purpose.roles.map {
                SystemKey(purpose: purpose, role: $0, keyID: 1, isCurrent: true, key: .random())
            }
        }
        let keyring = try Keyring(
            vault: id, epoch: 1, opened: .root(root), roleKeys: RoleKeys(roleKeys), keys: keys)
        let vault = VaultRow(
            id: id, createdAt: now, keyEpoch: 1, registryRevision: 0,
            nextOwnerID: OwnerID.system.rawValue + 1,
            nextGrantID: 1, nextSecretID: 1, nextKeyID: 1, heartbeatAt: now,
            heartbeat: monotonic, outage: 0, stamp: .random(), registryHash: .zero)
        let edge = RightEdge()
        let head = LogHead(edge: edge, root: edge.root, lastTime: now, note: "")
        try opened.apply([vault.insert(rowKey: keyring.rows), head.insert])

        let transaction = WriteTransaction(
            opened, keyring: keyring, registry: Registry(), firstUses: FirstUses(), vault: vault, head: head,
            now: now, monotonic: monotonic)
        try transaction.run {
            // The system's keys are used without a transaction too, so that they are made here.
            let system = try transaction.makeOwner(
                .system, kind: .system, identity: [], lookupTag: nil, roles: [.common, .issuer, .keeper])
            try transaction.add(ProvedKeyslot(source, source, root, 1, id), named: "first")
            try transaction.insertRoleKeys(roleKeys, root: root, epoch: 1)
            for key in keys {
                try transaction.insert(
                    SystemKeyRow(
                        id: transaction.next(\.nextKeyID), key, under: try keyring.roleKeys.current(key.role),
                        vault: id, createdAt: now))
            }
            let actor = AuditActor(system.pseudonym, configuration.channel, configuration.actor)
            return BodyEnd(events: [AuditEvent(.vaultCreate, by: actor)], kind: .change)
        }
        _ = try AuditTrail().append(transaction.collected.entries, to: head, in: transaction)
        try opened.apply(transaction.finish())
    }
}
