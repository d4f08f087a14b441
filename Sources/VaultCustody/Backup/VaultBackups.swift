import Foundation
import Logging
import SQLiteStore
public import TokenVault
public import VaultCore
import VaultCrypto
import VaultStore

/// A backup to make: its files and options.
public struct BackupRequest: Sendable {
    /// Path for the sealed data; it must be free.
    public var path: String
    /// Path for the keys, without which the data does not open; nil if you keep keys that were written
    /// earlier under the same root key.
    public var keysPath: String?
    /// The time the backup will be destroyed; nil if not known.
    public var keepUntil: VaultInstant?
    /// Whether an older backup, or older keys, under these names may be replaced. Nothing else ever is.
    public var replaces = false
    /// The directory for a temporary copy of the database, as safe as the vault's own directory, which is the default; for a
    /// vault in PostgreSQL that is the directory of ``path``.
    public var scratchDirectory: String?

    public init(path: String, keysPath: String?) {
        self.path = path
        self.keysPath = keysPath
    }
}

/// A backup that was made.
public struct BackupReceipt: Sendable, Encodable {
    public let backup: BackupID
    /// The path of the data.
    public let path: String
    public let keysPath: String?
    /// Bytes of the data file.
    public let byteCount: Int64
    /// Entries of the log in it.
    public let logSize: Int64
    /// 64 hexadecimal digits.
    public let logRoot: String
    public let createdAt: VaultInstant
    public let keepUntil: VaultInstant?

    private enum CodingKeys: String, CodingKey {
        case backup
        case path = "out"
        case keysPath = "keys"
        case byteCount = "bytes"
        case logSize, logRoot, createdAt, keepUntil
    }
}

extension Vault {
    /// The backups of this vault.
    public var backups: VaultBackups { VaultBackups(vault: self) }
}

/// Makes and lists the backups of a vault.
///
/// ```swift
/// try await vault.backups.make(BackupRequest(path: "/mnt/vault.backup", keysPath: "/mnt/safe/vault.keys"))
/// ```
///
/// ``Backup`` looks at one, ``VaultRestore`` makes a vault of it.
public struct VaultBackups: Sendable {
    package let vault: Vault

    /// Writes a sealed, consistent copy of the vault while it is in use. The log says so before anything
    /// leaves the vault, and again when the backup is on the disk.
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/alreadyExists``, ``VaultError/Code/outOfSpace``, ``VaultError/Code/busy`` (another
    ///   process writes the same file), ``VaultError/Code/invalidInput``, ``VaultError/Code/outcomeUnknown`` (the new backup
    ///   replaced an older one, and may not outlive a power cut); no half backup is left behind.
    @discardableResult
    public func make(
        _ request: BackupRequest, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> BackupReceipt {
        try checkPlaces(request)
        let row = try await beginBackup(request)
        let receipt: BackupReceipt
        do {
            receipt = try await BlockingThread.result { try copy(request, row, progress) }
        } catch {
            // Where it took the place of an older one it is there, and stays listed.
            if (error as? VaultError)?.code != .outcomeUnknown { await abandonBackup(row) }
            throw error
        }
        try await finishBackup(receipt)
        return receipt
    }

    /// Backups that the log knows of, oldest first, those past the time they were to be kept included.
    public func list() async throws -> [BackupRecord] {
        try await vault.scan { database, keys in
            try database.loadAll(BackupRecord.self, where: "id > 0 ORDER BY id", [], keys.keyring)
        }
    }

    private func checkPlaces(_ request: BackupRequest) throws {
        guard request.path != request.keysPath else {
            throw VaultError(
                .invalidInput, "The data and the keys of a backup need different files.",
                remedy: "Choose another file for the keys, on another disk.")
        }
        let places =
            [(request.path, BackupHeader.magic)] + (request.keysPath.map { [($0, BackupKeys.magic)] } ?? [])
        for (path, magic) in places where access(path, F_OK) == 0 {
            guard request.replaces else { throw DraftFile.exists(path) }
            let start = FileHandle(forReadingAtPath: path)?.readData(ofLength: magic.count)
            guard let start, Array(start) == magic else {
                throw VaultError(
                    .denied, "The file at \(path) is not a TokenVault backup, so it is not overwritten.",
                    remedy: "Choose another name.")
            }
        }
    }

    /// On the blocking thread.
    private func copy(
        _ request: BackupRequest, _ row: BackupRecord, _ progress: @escaping @Sendable (Double) -> Void
    ) throws -> BackupReceipt {
        let data = try DraftFile(of: request.path)
        let keysFile = try request.keysPath.map { try DraftFile(of: $0) }
        let beside = vault.store.isRemote ? request.path : vault.path
        let scratch = request.scratchDirectory ?? VaultFile.directory(of: beside)
        let size = try sizeOfCopy()
        for directory in [scratch, VaultFile.directory(of: request.path)] {
            try FreeSpace.check(size, in: directory)
        }
        // The keys of the copy: they may be rotated meanwhile, by another process too.
        var copied: (keyring: Keyring, custodyKey: RoleKeyRow?, slots: BackupKeys)?
        let snapshot = try Snapshot(of: vault.store, in: scratch, at: row.createdAt) { database in
            let keyring = try vault.liveKeys.keys(for: database).keyring
            let keys = try database.loadAll(
                RoleKeyRow.self, where: "role = 3 AND wrapper = 0 AND state = 1", [], keyring)
            copied = (keyring, keys.first, try BackupKeys(database, keyring, at: row.createdAt))
        } progress: {
            progress($0 * 0.4)
        }
        guard let copied, let custodyKey = copied.custodyKey else {
            throw StorageFailure.failed("copy of the database", EIO)
        }
        let writer = BackupWriter(
            keyring: copied.keyring, custodyKey: custodyKey, backup: row.backup, now: row.createdAt)
        let count = try writer.write(snapshot, to: data) { progress(0.4 + $0 * 0.55) }
        try keysFile?.write(copied.slots.bytes)
        try publish(data, keysFile, request)
        progress(1)
        return BackupReceipt(
            backup: row.backup, path: request.path, keysPath: request.keysPath, byteCount: count,
            logSize: snapshot.head.size, logRoot: Hex.encode(snapshot.head.root.bytes),
            createdAt: row.createdAt,
            keepUntil: request.keepUntil)
    }

    /// About as much as the copy takes, and the container that is made of it.
    package func sizeOfCopy() throws -> Int64 {
        guard !vault.store.isRemote else {
            let copy = try RowCopy(SchemaLedger())
            return try vault.store.withOwnReader(copy.size)
        }
        return ["", "-wal"].reduce(0) { $0 + Int64(FileFacts(at: vault.path + $1)?.size ?? 0) }
    }

    /// Gives both files their names, the keys first: data without keys would look like a backup.
    private func publish(_ data: DraftFile, _ keysFile: DraftFile?, _ request: BackupRequest) throws {
        let older = request.replaces ? request.keysPath.flatMap(Self.keys(at:)) : nil
        do {
            try Unfinished.whole {
                try keysFile?.publish(replacing: request.replaces)
                try data.publish(replacing: request.replaces)
            }
        } catch {
            guard !(request.replaces && data.isPublished) else { throw Self.unsettled(request.path) }
            // The data that is there may need the keys that were there: of an older root key.
            if let older, let path = request.keysPath, keysFile?.isPublished == true {
                let file = try? DraftFile(of: path)
                try? file?.write(older)
                try? file?.publish(replacing: true)
            } else {
                keysFile?.withdraw()
            }
            throw error
        }
    }

    private static func keys(at path: String) -> [UInt8]? {
        try? SmallFile.read(path, limit: BackupKeys.fileBytes, closed: .toNobody, remedy: "")
    }

    private static func unsettled(_ path: String) -> VaultError {
        VaultError(
            .outcomeUnknown,
            "The new backup is at \(path), but the disk failed before its name was durable.",
            remedy: "Verify the backup, and make another on another disk.")
    }
}

// MARK: - In the log

extension VaultBackups {
    private func beginBackup(_ request: BackupRequest) async throws -> BackupRecord {
        try await vault.write(.finishing) { transaction in
            let row = BackupRecord(
                id: transaction.next(\.nextKeyID), backup: .random(), logSize: transaction.leaf + 1,
                createdAt: transaction.now, keepUntil: request.keepUntil)
            try transaction.insert(row)
            let event = AuditEvent(.backupCreate, by: vault.operatorActor, reason: "begun")
            return Audited(row, event)
        }
    }

    private func finishBackup(_ receipt: BackupReceipt) async throws {
        try await vault.write(.finishing) { transaction in
            let rows = try transaction.database.loadAll(
                BackupRecord.self, where: "backup_id = ?", [.blob(receipt.backup.bytes)], transaction.keyring)
            if var row = rows.first {
                row.logSize = receipt.logSize
                try transaction.update(row)
            }
            return Audited((), AuditEvent(.backupCreate, by: vault.operatorActor))
        }
    }

    /// Nothing left the vault, so an erasure must not count this row.
    private func abandonBackup(_ row: BackupRecord) async {
        do {
            try await vault.write(.finishing) { transaction in
                let event = AuditEvent(.backupCreate, .refused, by: vault.operatorActor, reason: "failed")
                if try transaction.load(BackupRecord.self, row.id) != nil {
                    try transaction.delete(.backups, id: row.id)
                }
                return Audited((), event)
            }
        } catch {
            vault.logger.warning("A failed backup is still listed.", metadata: ["error": "\(error)"])
        }
    }
}
