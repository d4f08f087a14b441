import Foundation
import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// Whatever tells of the time between a backup and now.
public enum NewestLog: Sendable {
    /// A vault file: the damaged one, or a copy. Its log is read, and the rows that tell the key that signs it.
    case vault(path: String)
    /// A directory in the layout of C2SP tlog-tiles, as `audit export --format tiles` writes it.
    case tiles(directory: String)
    /// Entries, one a line, and the signed checkpoint over them in a file of its own.
    case entries(path: String, checkpoint: String)
    /// A signed checkpoint alone, as an anchor keeps it: says whether there is more, not what.
    case checkpoint(path: String)

    /// Tells by the content what lies at a path.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput``.
    public static func found(at path: String, checkpoint: String? = nil) throws -> NewestLog {
        guard let resolved = try? VaultFile.resolve(path), let facts = FileFacts(at: resolved) else {
            throw VaultError(.notFound, "There is no log at \(path).", remedy: "Check --log.")
        }
        if facts.isDirectory { return .tiles(directory: path) }
        let start = FileHandle(forReadingAtPath: path)?.readData(ofLength: 16) ?? Data()
        if start.starts(with: Array("SQLite format 3\0".utf8)) { return .vault(path: path) }
        if start.first == UInt8(ascii: "{") {
            guard let checkpoint else {
                throw VaultError(
                    .invalidInput, "Entries alone prove nothing.",
                    remedy: "Give the signed checkpoint over them with --checkpoint.")
            }
            return .entries(path: path, checkpoint: checkpoint)
        }
        if start.starts(with: Array("tokenvault/".utf8)) { return .checkpoint(path: path) }
        throw VaultError(
            .invalidInput, "\(path) is no vault, no exported log and no checkpoint.",
            remedy: "Give one of these with --log, or leave it out: every grant is revoked then.")
    }
}

/// A log that is read for its later entries: the checkpoint it claims, and a way to its entries.
struct LaterLog {
    /// C2SP signed note, not yet believed.
    let note: String
    /// Hands over index and bytes of each entry from an index on; nil where there is a checkpoint only.
    let entries: ((_ first: Int64, _ body: (Int64, [UInt8]) throws -> Void) throws -> Void)?
    /// Of a vault file: the key that signs its log now, as far as the backup vouches for it.
    var signingKey: (KeySource, BackupTrust) throws -> [UInt8]? = { _, _ in nil }

    static func withLog<Result>(_ source: NewestLog, _ body: (LaterLog) throws -> Result) throws -> Result {
        switch source {
        case .checkpoint(let path):
            return try body(LaterLog(note: try readNote(path), entries: nil))
        case .entries(let path, let checkpoint):
            return try body(
                LaterLog(note: try readNote(checkpoint)) { first, body in
                    try LogExport.forEachLine(of: path, from: first, body)
                })
        case .tiles(let directory):
            let note = try readNote(directory + "/checkpoint")
            guard let text = try? SignedNote.parse(Array(note.utf8)).text,
                let size = Checkpoint(parsing: text)?.size
            else { throw unproven("Its checkpoint cannot be read.") }
            return try body(
                LaterLog(note: note) { first, body in
                    try LogExport.forEachBundled(in: directory, from: first, to: Int64(size), body)
                })
        case .vault(let path): return try withVault(path, body)
        }
    }

    private static func withVault<Result>(_ path: String, _ body: (LaterLog) throws -> Result) throws
        -> Result
    {
        let path = try VaultFile.resolve(path)
        try VaultFile.check(path)
        ParkedDescriptors.storeOpens(path)
        defer { ParkedDescriptors.storeClosed(path) }
        do {
            let readers = try ReaderConnections(path, count: 1)
            defer { try? readers.close() }
            return try readers.snapshot { database in
                let note = try database.firstRow("SELECT note FROM audit_head WHERE id = 1") { $0.value(0) }
                guard case .text(let note) = note else { throw unproven("It has no head.") }
                return try body(
                    LaterLog(
                        note: note, entries: { try Self.forEachEntry(of: database, from: $0, $1) },
                        signingKey: { try $1.signingKey(of: database, openedBy: $0) }))
            }
        } catch let error as DatabaseError { throw StorageFailure.translate(error, isOpening: true) }
    }

    private static func forEachEntry(
        of database: Database, from first: Int64, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? ORDER BY id", [.integer(first)]
        ) { row in
            guard case .blob(let bytes) = row.value(1) else {
                throw unproven("Entry \(row.integer(0)) is damaged.")
            }
            try body(row.integer(0), bytes)
            return true
        }
    }

    private static func readNote(_ path: String) throws -> String {
        let bytes = try SmallFile.read(
            path, limit: Limits.signedNoteBytes, closed: .toNobody, remedy: "Name the signed checkpoint.")
        return String(decoding: bytes, as: UTF8.self)
    }

    static func unproven(
        _ why: String, remedy: String = "Give another, or none: every grant is revoked then."
    ) -> VaultError {
        VaultError(
            .integrity, "The log given does not prove what happened since the backup. \(why)",
            remedy: remedy)
    }

    static func missing(_ index: Int64) -> VaultError {
        unproven(
            "Entry \(index) is missing: it was pruned, or the log was cut.",
            remedy:
                "Give a log that still has it, as exported tiles may, or its checkpoint alone: every grant is "
                + "revoked then.")
    }
}
