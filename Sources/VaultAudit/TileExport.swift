import Foundation
import MerkleLog
import SQLiteStore
import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// A directory that others read while we add to it: files appear whole, and a tile never changes once it is there.
struct TileDirectory {
    let path: String

    /// Makes the directory where it is missing.
    init(_ path: String) throws {
        self.path = path
        try Self.make(path)
    }

    /// The content of a small file; nil when it is not there.
    func read(_ name: String, limit: Int) throws -> [UInt8]? {
        let place = "\(path)/\(name)"
        guard access(place, F_OK) == 0 else { return nil }
        return try SmallFile.read(place, limit: limit, closed: .toNobody, remedy: "Check the directory.")
    }

    /// Writes what will never change.
    ///
    /// - Parameter isPublished: the directory's checkpoint vouches for it. Past that an export may have been cut off.
    /// - Returns: whether it was not there before.
    /// - Throws: ``VaultError/Code/integrity`` when something else was published.
    func add(_ name: String, _ bytes: [UInt8], isPublished: Bool) throws -> Bool {
        let existing =
            isPublished ? try read(name, limit: Self.fileBytes) : try? read(name, limit: Self.fileBytes)
        if existing == bytes { return false }
        guard existing == nil || !isPublished else {
            throw VaultError(
                .integrity, "\(path)/\(name) is there and differs from the log.",
                remedy: "Something else wrote into the directory: export into a new one, and compare.")
        }
        try replace(name, bytes)
        return true
    }

    /// Writes a file in one step: readers see the old one or the new one.
    func replace(_ name: String, _ bytes: [UInt8]) throws {
        let place = "\(path)/\(name)"
        try Self.make((place as NSString).deletingLastPathComponent)
        let draft = "\(place).new"
        var descriptor: Int32 = -1
        let unfinished = try Unfinished {
            descriptor = open(draft, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
            guard descriptor >= 0 else { throw Self.failed("opened", draft) }
        } undo: {
            unlink(draft)
        }
        defer { unfinished.finish() }
        do { try DraftFile.write(bytes, to: descriptor, of: draft) } catch {
            close(descriptor)
            throw error
        }
        guard close(descriptor) == 0, rename(draft, place) == 0 else { throw Self.failed("written", place) }
    }

    /// Waits until everything written is on the disk. One call for thousands of files, where an fsync of each
    /// would take minutes.
    func settle() { sync() }

    func remove(_ name: String) {
        try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
    }

    private static func make(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        } catch { throw failed("made", path) }
    }

    private static func failed(_ action: String, _ path: String) -> VaultError {
        VaultError(
            errno == EACCES ? .permissionDenied : errno == ENOSPC ? .outOfSpace : .ioFailure,
            "\(path) cannot be \(action): \(String(cString: strerror(errno))).",
            remedy:
                "Check the directory and its free space; what is written so far is used by the next export.")
    }

    /// A full bundle of the longest entries.
    private static let fileBytes = Limits.tileWidth * (Limits.leafBytes + 2)
}

/// Writes the log as C2SP tlog-tiles, from what the last export published on. Nothing is written before the tiles
/// that are stored were shown to give the signed root, no entry before its tile was shown to be one of these,
/// and the checkpoint last: so a web server never shows a part of an export.
struct TileExport {
    private let log: StoredLog
    private let head: LogHead
    private let directory: TileDirectory
    private let firstKept: Int64
    private var filesWritten = 0
    /// Entries that the directory's checkpoint speaks of.
    private var published: Int64 = 0
    private static let width = Int64(Limits.tileWidth)

    init(_ database: Database, to directory: TileDirectory, key: NoteKey) throws {
        log = StoredLog(database)
        self.directory = directory
        head = try LogHead.read(database)
        firstKept = try log.firstKept(head.size)
        guard head.isSigned(by: key), try log.root(of: head.size) == head.root else { throw Self.damaged }
    }

    consuming func run(after old: Checkpoint?, progress: (Double) -> Void) throws -> TileExportSummary {
        let start = old.map { Int64(clamping: $0.size) } ?? 0
        try check(old, start)
        published = start
        for tile in start / Self.width..<(head.size + Self.width - 1) / Self.width {
            guard (tile + 1) * Self.width > firstKept else { continue }
            try writeLeaves(of: tile)
            if tile & 0xFF == 0 { progress(Double(tile * Self.width) / Double(head.size)) }
        }
        var level = 1
        while count(head.size, level) > 0 {
            try writeHashes(level, after: count(start, level))
            level += 1
        }
        if start < head.size {
            directory.settle()
            try directory.replace("checkpoint", Array(head.note.utf8))
            directory.settle()
            removePartials(of: start)
        }
        progress(1)
        return TileExportSummary(size: head.size, firstKept: firstKept, filesWritten: filesWritten)
    }

    private func check(_ old: Checkpoint?, _ size: Int64) throws {
        guard let old else { return }
        guard size <= head.size else {
            throw VaultError(
                .integrity, "The directory holds \(size) entries; the log has \(head.size).",
                remedy: "The vault is an older copy: put the newest file back.")
        }
        guard try log.keeps(prefix: size), size >= firstKept || size.isMultiple(of: Self.width) else {
            throw StoredLog.pruned(size)
        }
        guard try log.root(of: size) == old.root else {
            throw VaultError(
                .integrity, "The log does not begin with the \(size) entries of the directory.",
                remedy: "Verify the audit log against the directory's checkpoint.")
        }
    }

    /// Tile of leaf hashes and bundle of entries, whole or partial.
    private mutating func writeLeaves(of tile: Int64) throws {
        let range = tile * Self.width..<min((tile + 1) * Self.width, head.size)
        var (hashes, bundle): ([UInt8], [UInt8]) = ([], [])
        var edge = RightEdge()
        var subtree: Digest?
        try log.database.forEachRow(
            "SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(range.lowerBound), .integer(range.upperBound)]
        ) { row in
            try row.withBlob(0) { bytes in
                guard let bytes, bytes.count <= Limits.leafBytes else { throw Self.damaged }
                let hash = MerkleHash.leaf(raw: bytes)
                subtree = edge.append(hash)
                hashes += hash.bytes
                bundle.append(bigEndian: UInt16(bytes.count))
                bundle += bytes
            }
            return true
        }
        guard edge.size == UInt64(range.count) else { throw Self.damaged }
        if let subtree {
            let stored = try log.subtrees.hash(level: 8, index: UInt64(tile))
            guard subtree == stored else { throw Self.damaged }
        }
        try add(0, tile, range.count, hashes)
        try add(nil, tile, range.count, bundle)
    }

    /// Tiles of a level above the leaves, from its hash `first` on.
    private mutating func writeHashes(_ level: Int, after first: Int64) throws {
        let total = count(head.size, level)
        for tile in first / Self.width..<(total + Self.width - 1) / Self.width {
            let range = tile * Self.width..<min((tile + 1) * Self.width, total)
            if range.count == Self.width, range.upperBound <= first { continue }
            var hashes: [UInt8] = []
            for index in range {
                hashes += try log.subtrees.hash(level: 8 * level, index: UInt64(index)).bytes
            }
            try add(level, tile, range.count, hashes)
        }
    }

    private mutating func add(_ level: Int?, _ index: Int64, _ width: Int, _ bytes: [UInt8]) throws {
        let name = TilePath.text(level: level, index: index, width: width)
        let isPublished = index * Self.width + Int64(width) <= count(published, level ?? 0)
        if try directory.add(name, bytes, isPublished: isPublished) {
            filesWritten += 1
        }
    }

    /// Partial tiles of the export before, where the full tile has come.
    private func removePartials(of old: Int64) {
        var level = 0
        while count(old, level) > 0 {
            let tile = count(old, level) / Self.width
            if count(head.size, level) >= (tile + 1) * Self.width {
                directory.remove(TilePath.partials(level: level, index: tile))
                if level == 0 { directory.remove(TilePath.partials(level: nil, index: tile)) }
            }
            level += 1
        }
    }

    /// Hashes of a level in a tree of this many leaves: only full tiles below count.
    private func count(_ size: Int64, _ level: Int) -> Int64 { level < 8 ? size >> Int64(8 * level) : 0 }

    private static let damaged = VaultError(
        .integrity, "The log is damaged: its entries do not give the root that was signed.",
        remedy: "Verify the audit log to see where.")
}

/// The result of an export of tiles.
public struct TileExportSummary: Sendable {
    /// The number of entries of the checkpoint in the directory.
    public let size: Int64
    /// The first entry whose bytes are kept: 0 unless the log was pruned.
    public let firstKept: Int64
    /// The number of new files.
    public let filesWritten: Int
}

extension VaultLog {
    /// Writes the log into a directory as C2SP tlog-tiles: `checkpoint`, `tile/<level>/…`, `tile/entries/…`.
    /// Called again, it adds what has come since; a full tile is never written twice. Pruned entries are left
    /// out, as tlog-tiles provides. The vault remembers how far it was exported (see ``LogRetention``).
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/integrity`` for a damaged log, and when the directory holds something else than the
    ///   beginning of this log.
    public func exportTiles(
        to path: String, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> TileExportSummary {
        let summary = try await vault.study { database, keys in
            let (directory, key) = (try TileDirectory(path), keys.keyring.signer.key)
            // By any signer: that this log begins with it is shown by its root. The key may have been rotated.
            let old = try directory.read("checkpoint", limit: Limits.signedNoteBytes).map {
                try Checkpoint.read($0, ofLog: key.name)
            }
            return try TileExport(database, to: directory, key: key).run(after: old, progress: progress)
        }
        await noteExport(of: summary.size)
        return summary
    }
}
