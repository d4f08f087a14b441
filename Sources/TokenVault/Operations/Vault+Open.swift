import Foundation
import MerkleLog
package import SQLiteStore
import VaultCore
public import VaultCrypto
import VaultStore

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
    ///   - path: of the database file.
    ///   - source: what opens one of its keyslots.
    ///   - roles: what to hold keys for, at most: a service of one role need not have the others' in its memory. A keyslot
    ///     for one role gives that role's keys alone.
    /// - Throws: ``VaultError`` with the code
    ///   `not_found` (no file), `not_a_vault` (another file), `permission_denied`, `read_only`,
    ///   `locked` (no keyslot opens with this source), `denied` (its keyslot is for another role), `schema_newer`,
    ///   `schema_changed`, `integrity` (also: behind, or forked from, what an anchor was told), `unavailable` (it has anchors, and the options have
    ///   nothing to compare them with), `busy`. A vault whose own record
    ///   was put back, or whose clients, keys or settings were, opens for `log.verify()` and `examine()`
    ///   of the modules above; all else throws `integrity` then.
    public static func open(
        at path: String, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration(),
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        try await begin(
            await BlockingThread.result {
                let vault = try Vault(
                    openStore(path, source, configuration, roles), configuration: configuration)
                do {
                    if !configuration.ignoresAnchors, vault.liveKeys.doubt == nil { try vault.checkAnchors() }
                } catch {
                    vault.closeFiles()
                    throw StorageFailure.translate(error, isOpening: true)
                }
                return vault
            })
    }

    /// Opens a vault in memory.
    package static func open(
        in store: MemoryStore, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration(),
        for roles: VaultRoles = .everything
    ) async throws -> Vault {
        try await begin(
            Vault(
                store.reader.snapshot { try unlock($0, store, source, roles) }, configuration: configuration))
    }

    /// A new vault in memory: nothing of it is left when the last that has it open is gone.
    package static func create(
        in store: MemoryStore, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration()
    ) async throws -> Vault {
        try store.create(at: configuration.clock.now()) {
            try Genesis(configuration).populate($0, source, configuration)
        }
        return try await open(in: store, unlockedBy: source, configuration: configuration)
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

    private static func openStore(
        _ path: String, _ source: KeySource, _ configuration: VaultConfiguration, _ roles: VaultRoles
    ) throws -> OpenedStore {
        try Sodium.start()
        let path = try VaultFile.resolve(path)
        try VaultFile.check(path)
        return try openStore(path, configuration) { store in
            // A passphrase takes a while: nobody waits for the lock meanwhile.
            try store.reader.snapshot { try unlock($0, store, source, roles) }
        }
    }

    /// Opens a vault whose root key is known, because it is being restored. Writes nothing by itself.
    package static func opened(at path: String, root: GuardedKey, configuration: VaultConfiguration) throws
        -> Vault
    {
        let opened = try openStore(path, configuration) { store in
            try store.reader.snapshot { database in
                try unlocked(
                    database, store, VaultRow.read(database, rowKey: nil), .root(root), Unlocker(root: root))
            }
        }
        return try Vault(opened, configuration: configuration)
    }

    private static func openStore(
        _ path: String, _ configuration: VaultConfiguration, _ unlock: (SQLiteStore) throws -> OpenedStore
    ) throws -> OpenedStore {
        do {
            try FoundFile(path).checkIsAlone()
            let lock = try VaultLock(beside: path)
            let store = try lock.withWriterLock(within: .seconds(10)) {
                let store = try SQLiteStore(
                    path, lock: lock, ledger: configuration.ledger, readers: configuration.readers,
                    logger: configuration.logger
                )
                try store.bringUpToDate(at: configuration.clock.now())
                return store
            }
            do { return try unlock(store) } catch {
                try? store.close()
                throw error
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
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
        do { _ = try keys.prove(database) } catch let error as VaultError where error.code == .integrity {
            doubt = error
        }
        return OpenedStore(
            store: store,
            keys: LiveKeys(keys, vault, logSize: head.size, doubt: doubt, unlocker: unlocker),
            head: head, unlocker: unlocker)
    }

    /// Creates a vault and opens it. The file is built under a temporary name and gets its own at the
    /// end, so a crash leaves no half vault behind.
    ///
    /// - Parameter source: becomes the first keyslot; a key file must exist (``createKeyFile(at:)``).
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/notFound`` (no such directory), and what
    ///   ``open(at:unlockedBy:configuration:)`` throws.
    public static func create(
        at path: String, unlockedBy source: KeySource,
        configuration: VaultConfiguration = VaultConfiguration()
    ) async throws -> Vault {
        let path = try await BlockingThread.result {
            try Sodium.start()
            try VaultFile.checkDirectory(of: path)
            let path = try VaultFile.resolve(path, isNew: true)
            // Two makers at once would build in each other's draft.
            try VaultLock(beside: path).withWriterLock(within: .seconds(10)) {
                try buildAndPublish(path, source, configuration)
            }
            return path
        }
        return try await open(at: path, unlockedBy: source, configuration: configuration)
    }

    /// Removes a vault that was just made, and closed, because something that belongs to it could not be made.
    ///
    /// - Returns: false, and nothing was removed, where another process serves it already.
    package static func discard(at path: String) throws -> Bool {
        let lock = try VaultLock(beside: path)
        return try lock.withWriterLock(within: .seconds(10)) {
            guard try !lock.isServed() else { return false }
            for file in [path] + VaultFile.sideFiles(of: path) { unlink(file) }
            return true
        }
    }

    /// Creates a key file: 32 random bytes that only the owner of the file may read.
    ///
    /// - Throws: ``VaultError/Code/alreadyExists``: a key file is never overwritten.
    public static func createKeyFile(at path: String) throws {
        try Sodium.start()
        try Keyslot.createKeyFile(at: path)
    }

    private static func buildAndPublish(
        _ path: String, _ source: KeySource, _ configuration: VaultConfiguration
    ) throws {
        guard access(path, F_OK) != 0 else { throw VaultFile.alreadyExists(path) }
        let draft = path + ".creating"
        let files = ["", "-journal", "-wal", "-shm"].map { draft + $0 }
        for file in files { unlink(file) }
        do {
            let unfinished = try Unfinished {
                try VaultFile.createExclusively(draft)
            } undo: {
                for file in files { unlink(file) }
            }
            defer { unfinished.finish() }
            try build(draft, source, configuration)
            try VaultFile.publish(draft, as: path)
        } catch {
            for file in files { unlink(file) }
            throw StorageFailure.translate(error, isOpening: true)
        }
    }

    private static func build(_ path: String, _ source: KeySource, _ configuration: VaultConfiguration) throws
    {
        // Makes the files beside the draft, and some that go again.
        let writer = try Unfinished.whole { try Connections.openWriter(path) }
        try writer.transaction {
            try SchemaLedger().create($0, at: configuration.clock.now())
            try Genesis(configuration).populate($0, source, configuration)
        }
        // Closing would swallow a failure here and leave half of the vault in the WAL.
        let log = try writer.use { try $0.firstRow("PRAGMA wal_checkpoint(TRUNCATE)") { $0.integer(0) } }
        guard log == 0 else { throw StorageFailure.failed("checkpoint of the new vault", EIO) }
        try writer.close()
        guard access(path + "-wal", F_OK) != 0 else {
            throw StorageFailure.failed("checkpoint of the new vault", EIO)
        }
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
