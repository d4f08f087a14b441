import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// Roots of the log as it was at ascending sizes, in one walk over its tiles.
struct PrefixRoots {
    private let database: Database
    private let scan: LeafScan
    private let stored: [Int64: Digest]
    private var edge = RightEdge()

    init(_ database: Database, _ scan: LeafScan, _ storedTiles: [Int64: Digest]) {
        self.database = database
        self.scan = scan
        stored = storedTiles
    }

    /// The root over the first `size` entries. Nil where entries are missing or were pruned, and for a size
    /// below that of the call before.
    mutating func root(of size: Int64) throws -> Digest? {
        let width = Int64(Limits.tileWidth)
        guard size >= Int64(edge.size), size <= scan.end else { return nil }
        while Int64(edge.size) + width <= size {
            guard let tile = scan.tile(Int64(edge.size) / width, stored: stored) else { return nil }
            edge.append(tile: tile)
        }
        var prefix = edge
        try database.forEachRow(
            "SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(Int64(edge.size)), .integer(size)]
        ) { row in
            row.withBlob(0) { bytes in
                if let bytes { _ = prefix.append(MerkleHash.leaf(raw: bytes)) }
            }
            return true
        }
        return Int64(prefix.size) == size ? prefix.root : nil
    }
}
