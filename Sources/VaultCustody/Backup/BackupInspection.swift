import Foundation
import MerkleLog
import SQLiteStore
import TokenVault
public import VaultAudit
import VaultCore
public import VaultCrypto
import VaultStore

/// What an inspection shows of a backup without its key.
public struct BackupInspection: Sendable {
    public let facts: BackupHeader
    /// Whether the file is, byte for byte, the one that was written; a forger could make it so.
    public let isWhole: Bool
}

/// A backup that was opened and checked.
public struct BackupVerification: Sendable {
    public let facts: BackupHeader
    /// Result of the verification of the log, and of every row against it.
    public let report: AuditReport
    /// The fault that SQLite finds in the file; nil if it finds no fault.
    public let structure: String?

    public var isIntact: Bool { report.isIntact && structure == nil }
}

/// Inspects and verifies backups.
public enum Backup {
    /// Reads the header of a backup, and checks whether the file is the one that was written.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/notAVault``, ``VaultError/Code/integrity`` for one that is
    ///   cut off.
    public static func inspect(
        _ path: String, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> BackupInspection {
        try await BlockingThread.result {
            let file = try BackupFile(path)
            return BackupInspection(facts: file.header, isWhole: try file.isWhole(progress))
        }
    }

    /// Reads the keys of a backup.
    public static func inspectKeys(_ path: String) throws -> BackupKeys { try BackupKeys.read(path) }

    /// Opens a backup into a directory of its own, checks everything there is to check, and removes it again.
    ///
    /// - Parameter scratch: where that directory is made; by default where the system keeps temporary files.
    /// - Throws: ``VaultError/Code/locked``, ``VaultError/Code/integrity``, ``VaultError/Code/outOfSpace``.
    public static func verify(
        _ path: String, keys: String, unlockedBy source: KeySource, scratch: String? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> BackupVerification {
        try await BlockingThread.result {
            try Sodium.start()
            let opened = try OpenedBackup(path, keys, source)
            let place = scratch ?? FileManager.default.temporaryDirectory.path
            try FreeSpace.check(opened.file.header.byteCount, in: place)
            let directory = place + "/tokenvault-verify-" + UUID().uuidString
            let unfinished = try Unfinished {
                guard mkdir(directory, 0o700) == 0 else { throw StorageFailure.writing(directory, errno) }
            } undo: {
                // Work may still put files there.
                for _ in 0..<1000 where FileFacts(at: directory) != nil {
                    try? FileManager.default.removeItem(atPath: directory)
                }
            }
            defer {
                try? FileManager.default.removeItem(atPath: directory)
                unfinished.finish()
            }
            let copy = directory + "/vault"
            try opened.unseal(to: copy) { progress($0 * 0.4) }
            do {
                let writer = try Connections.openWriter(copy)
                defer { try? writer.close() }
                let structure = try writer.use { database in
                    let structure = try database.firstRow("PRAGMA quick_check(1)") { $0.value(0) }
                    try opened.check(database)
                    return structure
                }
                // An older vault is brought up to date in the copy, as a restore would do it.
                try SchemaLedger().bringUpToDate(writer, at: opened.file.header.createdAt)
                return try writer.use { database in
                    try check(database, opened, structure) { progress(0.4 + $0 * 0.6) }
                }
            } catch { throw StorageFailure.translate(error) }
        }
    }

    private static func check(
        _ database: Database, _ opened: OpenedBackup, _ structure: SQLValue?,
        _ progress: @escaping (Double) -> Void
    ) throws -> BackupVerification {
        let row = try VaultRow.read(database, rowKey: nil)
        let keyring = try Keyring.load(database, vault: row, opened: .root(opened.root))
        let report = try AuditVerifier(
            database, key: keyring.signer.key, keyring: keyring, progress: progress
        ).verify(rows: { try RowScan(database, keyring) })
        var problem: String?
        if case .text(let text) = structure, text != "ok" { problem = "its database file is damaged" }
        return BackupVerification(facts: opened.file.header, report: report, structure: problem)
    }
}

/// A backup with the root key that opens it.
struct OpenedBackup {
    let file: BackupFile
    let root: GuardedKey
    /// The keyslot that opened.
    let slot: KeyslotRecord

    /// - Throws: ``VaultError/Code/locked`` for keys of another vault or another root key, and what reading throws.
    init(_ backup: String, _ keysPath: String, _ source: KeySource) throws {
        file = try BackupFile(backup)
        let keys = try BackupKeys.read(keysPath)
        guard keys.vault == file.header.vault else {
            throw VaultError(
                .locked, "The backup is of vault \(file.header.vault), the keys are of vault \(keys.vault).",
                remedy: "Give the keys of the same vault.")
        }
        guard keys.epoch == file.header.epoch else {
            throw VaultError(
                .locked,
                "The backup is under root key \(file.header.epoch), the keys hold root key \(keys.epoch).",
                remedy: "Give the keys that were written when root key \(file.header.epoch) was in use.")
        }
        (root, slot) = try keys.root(source)
    }

    /// Writes the database inside to a new file that only its owner may read.
    func unseal(to path: String, _ progress: (Double) -> Void) throws {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o600)
        guard descriptor >= 0 else { throw StorageFailure.writing(path, errno) }
        defer { close(descriptor) }
        try file.forEachChunk(openedBy: root) { chunk, share in
            try DraftFile.write(chunk, to: descriptor, of: path)
            progress(share)
        }
    }

    /// Whether the database inside is the one that the head in the clear tells of.
    func check(_ database: Database) throws {
        let vault = try VaultRow.read(database, rowKey: nil)
        let head = try LogHead.read(database)
        let schema = try database.firstRow("PRAGMA user_version") { Int($0.integer(0)) } ?? 0
        let header = file.header
        guard vault.id == header.vault, vault.keyEpoch == Int64(header.epoch), head.size == header.logSize,
            head.root == header.logRoot, head.note == header.checkpoint, schema == header.schema
        else {
            throw VaultError(
                .integrity, "The backup's header names another database than the one inside.",
                remedy: "Use another copy of it.")
        }
    }
}
