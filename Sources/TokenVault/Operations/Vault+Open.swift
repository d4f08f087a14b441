import Foundation
import GRDB
import MerkleLog
import VaultCore
public import VaultCrypto

/// What opening produced: the file and its keys.
struct OpenedStore: Sendable {
    let store: Store
    let keys: LiveKeys
    let unlocker: Unlocker
}

extension Vault {
    /// Opens an existing vault and writes that into its log.
    ///
    /// - Parameters:
    ///   - path: of the database file.
    ///   - source: what opens one of its keyslots.
    /// - Throws: ``VaultError`` with the code
    ///   `not_found` (no file), `not_a_vault` (another file), `permission_denied`, `read_only`,
    ///   `locked` (no keyslot opens with this source), `schema_newer`, `schema_changed`, `integrity` (also: behind or
    ///   beside what an anchor was told), `busy`.
    public static func open(
        at path: String, unlockedBy source: KeySource, options: VaultOptions = VaultOptions()
    ) async throws -> Vault {
        let opened = try await BlockingThread.result { try openStore(path, source, options) }
        let vault = try Vault(opened, options: options)
        do {
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
        _ path: String, _ source: KeySource, _ options: VaultOptions
    ) throws -> OpenedStore {
        try Sodium.start()
        let path = try VaultFile.resolve(path)
        try VaultFile.check(path)
        do {
            try FoundFile(path).checkIsAlone()
            let lock = try VaultLock(beside: path)
            let store = try lock.withWriterLock(within: .seconds(10)) {
                let store = try Store(path, lock: lock, options)
                try store.writer.inDatabase { try SchemaLedger.bringUpToDate($0, at: options.clock.now()) }
                return store
            }
            do {
                // A passphrase takes a while: nobody waits for the lock meanwhile.
                let opened = try store.readers().snapshot { try unlock($0, store, source) }
                if !options.ignoresAnchors { try AnchorComparison.requireAgreement(opened, options.logger) }
                return opened
            } catch {
                try? store.close()
                throw error
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
    }

    /// A vault whose root key is at hand: one that is being restored. Writes nothing by itself.
    static func opened(at path: String, root: GuardedKey, options: VaultOptions) throws -> Vault {
        let lock = try VaultLock(beside: path)
        do {
            let store = try lock.withWriterLock(within: .seconds(10)) {
                try Store(path, lock: lock, options)
            }
            do {
                return try Vault(
                    store.readers().snapshot { database in
                        try unlocked(
                            database, store, VaultRow.read(database, rowKey: nil), root, Unlocker(root: root))
                    }, options: options)
            } catch {
                try? store.close()
                throw error
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
    }

    private static func unlock(_ database: Database, _ store: Store, _ source: KeySource) throws
        -> OpenedStore
    {
        let vault = try VaultRow.read(database, rowKey: nil)
        let (root, unlocker) = try Unlocking.unlock(database, vault: vault, source)
        return try unlocked(database, store, vault, root, unlocker)
    }

    private static func unlocked(
        _ database: Database, _ store: Store, _ vault: VaultRow, _ root: GuardedKey, _ unlocker: Unlocker
    ) throws -> OpenedStore {
        let keys = try VaultKeys.load(database, root: root)
        let head = try LogHead.read(database)
        guard head.isSigned(by: keys.keyring.signer.key), try head.isTimed(database) else {
            throw VaultError(
                .integrity, "The head of the audit log is not signed by this vault.",
                remedy: "Run 'tokenvault audit verify' on a copy, then restore a backup.")
        }
        let watch = RegistryWatch(vault, logSize: head.size)
        return OpenedStore(
            store: store, keys: LiveKeys(keys, watch: watch, unlocker: unlocker), unlocker: unlocker)
    }
}
