import Foundation
import GRDB
import VaultCore
import VaultCrypto

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
                remedy: "Give the keys of the same vault with --keys.")
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
            var rest = chunk[...]
            while !rest.isEmpty {
                let count = rest.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
                if count < 0, errno == EINTR { continue }
                guard count > 0 else { throw StorageFailure.writing(path, count < 0 ? errno : ENOSPC) }
                rest = rest.dropFirst(count)
            }
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
                .integrity, "The backup's head tells of another database than the one inside.",
                remedy: "Use another copy of it.")
        }
    }
}
