import Foundation
import MerkleLog
import VaultCore

/// Reads entries of a log from files that were exported from it; whether they are the log's is for the caller to prove.
enum LogExport {
    /// Entries one a line, from index 0 or later; each says its own index.
    static func forEachLine(
        of path: String, from first: Int64, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        guard let file = fopen(path, "re") else { throw StorageFailure.opening(path, errno) }
        defer { fclose(file) }
        // One more than the longest line and its end.
        var buffer = [CChar](repeating: 0, count: Limits.leafBytes + 3)
        while fgets(&buffer, Int32(buffer.count), file) != nil {
            let line = buffer.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            guard line.last == UInt8(ascii: "\n"), let entry = AuditLeaf.decode(Array(line.dropLast())) else {
                throw LaterLog.unproven("\(path) has a line that is no entry.")
            }
            if entry.index >= first { try body(entry.index, Array(line.dropLast())) }
        }
    }

    /// Entry bundles of C2SP tlog-tiles: each entry with its length in two bytes before it, 256 to a file.
    static func forEachBundled(
        in directory: String, from first: Int64, to end: Int64, _ body: (Int64, [UInt8]) throws -> Void
    ) throws {
        let width = Int64(Limits.tileWidth)
        var tile = first / width
        while tile * width < end {
            let count = min(width, end - tile * width)
            let name = TilePath(.entries, index: UInt64(tile), width: Int(count)).text
            let path = directory + "/" + name
            // An export of a pruned log has no bundles of what was pruned.
            guard FileFacts(at: path) != nil else { throw LaterLog.missing(max(first, tile * width)) }
            let bytes = try SmallFile.read(
                path, limit: Limits.tileWidth * (Limits.leafBytes + 2), closed: .toNobody,
                remedy: "The export is not complete: export the log again.")
            var reader = ByteReader(bytes)
            for offset in 0..<count {
                guard let length = reader.number(UInt16.self), let entry = reader.take(Int(length)) else {
                    throw LaterLog.unproven("\(path) is damaged.")
                }
                if tile * width + offset >= first { try body(tile * width + offset, entry) }
            }
            guard reader.isAtEnd else { throw LaterLog.unproven("\(path) is damaged.") }
            tile += 1
        }
    }
}
