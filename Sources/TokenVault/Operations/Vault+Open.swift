import Foundation
import GRDB
import MerkleLog
import VaultCore
public import VaultCrypto

/// What opening produced: the file, the keys, and the owner of what is nobody else's, who is the operator in the log.
struct OpenedStore: Sendable {
    let store: Store
    let keyring: Keyring
    let system: Owner
}

extension Vault {
    /// Opens an existing vault and writes that into its log.
    ///
    /// - Parameters:
    ///   - path: of the database file.
    ///   - source: what opens one of its keyslots.
    /// - Throws: ``VaultError`` with the code
    ///   `not_found` (no file), `not_a_vault` (another file), `permission_denied`, `read_only`,
    ///   `locked` (no keyslot opens with this source), `schema_newer`, `schema_changed`, `integrity`, `busy`.
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
        let lock = try VaultLock(beside: path)
        do {
            let store = try lock.withWriterLock(within: .seconds(10)) {
                let store = try Store(path, lock: lock, readerCount: options.readers)
                try store.writer.inDatabase { try SchemaLedger.bringUpToDate($0, at: options.clock.now()) }
                return store
            }
            do {
                // A passphrase takes a while: nobody waits for the lock meanwhile.
                return try store.readers().snapshot { try unlock($0, store, source) }
            } catch {
                try? store.close()
                throw error
            }
        } catch { throw StorageFailure.translate(error, isOpening: true) }
    }

    /// A vault whose root key is at hand: one that is being restored.
    ///
    /// Writes nothing by itself.
    static func opened(at path: String, root: GuardedKey, options: VaultOptions) throws -> Vault {
        let lock = try VaultLock(beside: path)
        do {
            let store = try lock.withWriterLock(within: .seconds(10)) {
                try Store(path, lock: lock, readerCount: options.readers)
            }
            do {
                return try Vault(
                    store.readers().snapshot { database in
                        try unlocked(database, store, VaultRow.read(database, rowKey: nil), root)
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
        return try unlocked(database, store, vault, Unlocking.root(database, vault: vault, source))
    }

    private static func unlocked(
        _ database: Database, _ store: Store, _ vault: VaultRow, _ root: GuardedKey
    ) throws -> OpenedStore {
        let keyring = try Keyring.load(database, vault: vault, root: root)
        _ = try VaultRow.read(database, rowKey: keyring.rows)
        let head = try LogHead.read(database)
        guard head.isSigned(by: keyring.signer.key), try head.isTimed(database) else {
            throw VaultError(
                .integrity, "The head of the audit log is not signed by this vault.",
                remedy: "Run 'tokenvault audit verify' on a copy, then restore a backup.")
        }
        guard let system = try database.load(OwnerRow.self, OwnerID.system.rawValue, keyring)?.row else {
            throw VaultError(.integrity, "The vault's own owner is missing.", remedy: "Restore a backup.")
        }
        return OpenedStore(
            store: store, keyring: keyring, system: try Owner(system, keyring: keyring))
    }
}

/// Finds the keyslot that a source opens.
enum Unlocking {
    private static let locked = VaultError(.locked, "")

    static func root(_ database: Database, vault: VaultRow, _ source: KeySource) throws -> GuardedKey {
        var tried: [String] = []
        var root: GuardedKey?
        try database.forEachRow(
            "SELECT slot_id, kind, epoch, parameters, wrapped FROM keyslots ORDER BY id LIMIT 64"
        ) { row in
            guard let record = KeyslotRecord(row) else { return true }
            tried.append("\(record.kind.noun) \(Hex.encode(record.id.prefix(4)))")
            guard record.epoch == UInt32(truncatingIfNeeded: vault.keyEpoch), Keyslot.accepts(source, record)
            else {
                return true
            }
            do {
                root = try Keyslot.open(record, with: source, vault: vault.id)
                return false
            } catch let error as VaultError where error == Self.locked {
                return true
            }
        }
        if let root { return root }
        throw VaultError(
            .locked,
            "What was given does not open vault \(vault.id); its keyslots are: "
                + tried.joined(separator: ", ") + ".",
            remedy: "Give the key file or passphrase of one of these slots (--key-file, --passphrase-file).")
    }
}

extension KeyslotRecord {
    fileprivate init?(_ row: RowCursor) {
        guard case .blob(let id) = row.value(0), let kind = KeyslotKind(rawValue: row.integer(1)),
            let epoch = UInt32(exactly: row.integer(2)), case .blob(let parameters) = row.value(3),
            case .blob(let wrapped) = row.value(4)
        else { return nil }
        self.init(id: id, kind: kind, epoch: epoch, parameters: parameters, wrapped: wrapped)
    }
}
