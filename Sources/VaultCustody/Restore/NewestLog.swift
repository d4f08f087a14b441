import Foundation
import MerkleLog
import SQLiteStore
import TokenVault
import VaultAudit
import VaultCore
import VaultCrypto
import VaultStore

/// The newest log, which shows what happened after a backup.
public enum NewestLog: Sendable {
    /// A vault file: the damaged one, or a copy. Its log is read, and the rows that tell the key that signs it.
    case vault(path: String)
    /// A directory in the layout of C2SP tlog-tiles, as `audit export --format tiles` writes it.
    case tiles(directory: String)
    /// Entries, one a line, and the signed checkpoint over them in a file of its own.
    case entries(path: String, checkpoint: String)
    /// A signed checkpoint alone, as an anchor keeps it: says whether there is more, not what.
    case checkpoint(path: String)

    /// Recognizes by its content the kind of log at a path.
    ///
    /// - Throws: ``VaultError/Code/notFound``, ``VaultError/Code/invalidInput``.
    public static func found(at path: String, checkpoint: String? = nil) throws -> NewestLog {
        guard let resolved = try? VaultFile.resolve(path), let facts = FileFacts(at: resolved) else {
            throw VaultError(
                .notFound, "There is no log at \(path).", remedy: "Check the path of the newest log.")
        }
        if facts.isDirectory { return .tiles(directory: path) }
        let start = FileHandle(forReadingAtPath: path)?.readData(ofLength: 16) ?? Data()
        if start.starts(with: Array("SQLite format 3\0".utf8)) { return .vault(path: path) }
        if start.first == UInt8(ascii: "{") {
            guard let checkpoint else {
                throw VaultError(
                    .invalidInput, "Entries without a checkpoint prove nothing.",
                    remedy: "Give the signed checkpoint over the entries.")
            }
            return .entries(path: path, checkpoint: checkpoint)
        }
        if start.starts(with: Array("tokenvault/".utf8)) { return .checkpoint(path: path) }
        throw VaultError(
            .invalidInput, "\(path) is not a vault, an exported log or a checkpoint.",
            remedy: "Correct the path of the newest log, or restore without one: every grant is revoked then."
        )
    }
}

/// A log that is read for its later entries: the checkpoint it claims, and a way to its entries, neither yet believed.
struct LaterLog {
    /// C2SP signed note.
    let note: String
    /// Hands over index and bytes of each entry from an index on; nil where there is a checkpoint only.
    let entries: ((_ first: Int64, _ body: (Int64, [UInt8]) throws -> Void) throws -> Void)?
    /// The database of a vault file.
    var database: Database?

    static func withLog<Result>(_ source: NewestLog, _ body: (LaterLog) throws -> Result) throws -> Result {
        switch source {
        case .checkpoint(let path):
            return try body(LaterLog(note: try readNote(path), entries: nil))
        case .entries(let path, let checkpoint):
            return try body(
                LaterLog(note: try readNote(checkpoint)) { first, body in
                    try forEachLine(of: path, from: first, body)
                })
        case .tiles(let directory):
            let note = try readNote(directory + "/checkpoint")
            guard let text = try? SignedNote.parse(Array(note.utf8)).text,
                let size = Checkpoint(parsing: text)?.size
            else { throw unproven("Its checkpoint cannot be read.") }
            return try body(
                LaterLog(note: note) { first, body in
                    try forEachBundled(in: directory, from: first, to: Int64(size), body)
                })
        case .vault(let path):
            return try Vault.reading(path, isOfAnyVersion: true) { database in
                let notes = try database.rows("SELECT note FROM audit_head WHERE id = 1") { $0.text(0) }
                guard let note = notes.first else { throw unproven("It has no head.") }
                let entries = { try forEachLeaf(of: database, from: $0, $1) }
                return try body(LaterLog(note: note, entries: entries, database: database))
            }
        }
    }

    private static func forEachLeaf(
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

    /// Entries one a line; each says its own index.
    private static func forEachLine(
        of path: String, from first: Int64, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        guard let file = fopen(path, "re") else { throw StorageFailure.opening(path, errno) }
        defer { fclose(file) }
        // One more than the longest line and its end.
        var buffer = [CChar](repeating: 0, count: Limits.leafBytes + 3)
        while fgets(&buffer, Int32(buffer.count), file) != nil {
            let line = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            guard line.last == UInt8(ascii: "\n"), let entry = AuditLeaf.decode(Array(line.dropLast())) else {
                throw unproven("\(path) has a line that is no entry.")
            }
            if entry.index >= first { try body(entry.index, Array(line.dropLast())) }
        }
    }

    /// Entry bundles of C2SP tlog-tiles: each entry with its length in two bytes before it, 256 to a file.
    private static func forEachBundled(
        in directory: String, from first: Int64, to end: Int64, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        let width = Int64(Limits.tileWidth)
        for start in stride(from: first / width * width, to: end, by: Limits.tileWidth) {
            let count = min(width, end - start)
            let name = TilePath.text(level: nil, index: start / width, width: Int(count))
            let path = directory + "/" + name
            // An export of a pruned log has no bundles of what was pruned.
            guard FileFacts(at: path) != nil else { throw missing(max(first, start)) }
            let bytes = try SmallFile.read(
                path, limit: Limits.tileWidth * (Limits.leafBytes + 2), closed: .toNobody,
                remedy: "The export is not complete: export the log again.")
            var reader = ByteReader(bytes)
            for index in start..<start + count {
                guard let length = reader.number(UInt16.self), let entry = reader.take(Int(length)) else {
                    throw unproven("\(path) is damaged.")
                }
                if index >= first { try body(index, entry) }
            }
            guard reader.isAtEnd else { throw unproven("\(path) is damaged.") }
        }
    }

    static func readNote(_ path: String) throws -> String {
        let bytes = try SmallFile.read(
            path, limit: Limits.signedNoteBytes, closed: .toNobody, remedy: "Name the signed checkpoint.")
        return String(decoding: bytes, as: UTF8.self)
    }

    static func unproven(
        _ why: String, remedy: String = "Give another, or none: every grant is revoked then."
    ) -> VaultError {
        VaultError(
            .integrity, "The given log does not prove what happened since the backup. \(why)", remedy: remedy)
    }

    static func missing(_ index: Int64) -> VaultError {
        unproven(
            "Entry \(index) is missing: it was pruned, or the log was cut.",
            remedy:
                "Give a log that still has it, as exported tiles may, or its checkpoint alone: every grant is "
                + "revoked then.")
    }
}

/// What the entries after a backup say became of its rows. Leaves name rows by a hash, so what a row is now is not known;
/// that it moved on, and by which operation, is.
struct LogReplay {
    typealias Fate = (operation: String, isGone: Bool)

    /// The rows that moved on, by number of the table and id.
    private var rows: [UInt16: [Int64: Fate]] = [:]
    /// The largest id of each table that was named.
    private(set) var largest: [UInt16: Int64] = [:]
    /// Lives of the vault, and the entries that began them.
    private(set) var lives: [(id: Int64, entry: Int64)] = []
    /// Rotated keys, as the log calls them.
    private(set) var rotations: Set<String> = []
    /// A deep rotation puts new keyslots in the place of the old ones: which each stands for.
    private var slotOrigins: [Int64: Int64] = [:]
    /// Right edge of the tree over the backup's entries and those after them.
    private(set) var edge: RightEdge
    /// Size at which the root is kept.
    private let watched: UInt64?
    private(set) var watchedRoot: Digest?

    /// - Parameter edge: of the backup's own log.
    init(after edge: RightEdge, watching size: UInt64? = nil) {
        self.edge = edge
        watched = size
    }

    /// What became of the rows of a table.
    subscript(layout: TableLayout) -> [Int64: Fate] { rows[layout.number] ?? [:] }

    mutating func add(_ index: Int64, _ bytes: [UInt8]) throws {
        guard index == Int64(edge.size) else { throw LaterLog.missing(Int64(edge.size)) }
        guard let entry = AuditLeaf.decode(bytes), entry.index == index else {
            throw LaterLog.unproven("Entry \(index) cannot be read.")
        }
        _ = edge.append(MerkleHash.leaf(bytes))
        if edge.size == watched { watchedRoot = edge.root }
        for change in entry.rows {
            largest[change.table] = max(largest[change.table] ?? 0, change.id)
            let isLife = change.table == TableLayout.incarnations.number
            if isLife, entry.operation == AuditOperation.vaultRestore.rawValue {
                lives.append((change.id, index))
            }
        }
        // Rows that were carried past a pruning, or written under other keys, say what they said; a grant that was purged
        // had expired.
        switch AuditOperation(rawValue: entry.operation) {
        case .auditCarry, .keyRewrap, .grantPurge: break
        case .keyRotate: note(rotation: entry)
        default: note(entry)
        }
    }

    private mutating func note(_ entry: AuditEntry) {
        for change in entry.rows {
            // What a refresh notes of its provider changes neither entry nor credentials.
            if change.table == TableLayout.providers.number, !entry.operation.hasPrefix("provider.") {
                continue
            }
            // What befalls a keyslot of a deep rotation befalls the one whose place it took.
            let origin = change.table == TableLayout.keyslots.number ? slotOrigins[change.id] : nil
            rows[change.table, default: [:]][origin ?? change.id] = (entry.operation, change.hash == nil)
        }
    }

    private mutating func note(rotation entry: AuditEntry) {
        if let name = entry.reason, entry.rows.contains(where: { $0.hash != nil }) {
            rotations.insert(String(name.prefix { $0 != "-" }))
        }
        var replaced: Int64?
        for change in entry.rows where change.table == TableLayout.keyslots.number {
            if change.hash == nil {
                replaced = slotOrigins[change.id] ?? change.id
            } else if let origin = replaced {
                slotOrigins[change.id] = origin
                replaced = nil
            }
        }
    }
}
