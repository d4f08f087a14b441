import MerkleLog
import VaultCore
import VaultCrypto
import VaultStore

/// Which entries a signed root still vouches for when some of them are damaged.
///
/// The root vouches for the edge stored with it, the edge for the hash of each tile below it, a tile for the hashes of
/// its leaves, and each of these for its leaf: what is recomputed from bytes is compared at the highest of these levels
/// that is itself intact, so that one edited leaf is named as that leaf and takes no other with it.
struct ProvenEntries {
    /// Ascending; entries outside them are the ones that were signed.
    private(set) var unproven: [Range<Int64>] = []

    private let database: Database
    private let scan: LeafScan
    private let storedTiles: [Int64: Digest]
    private static let width = Int64(Limits.tileWidth)

    /// Everything is proven: the entries give the signed root.
    init(all database: Database, _ scan: LeafScan) {
        self.database = database
        self.scan = scan
        storedTiles = [:]
    }

    /// - Parameter edge: what folds to the signed root; nil when nothing does.
    init(
        _ database: Database, _ scan: LeafScan, storedTiles: [Int64: Digest], edge: RightEdge?,
        trustedSize: Int64
    ) throws {
        self.database = database
        self.scan = scan
        self.storedTiles = storedTiles
        guard let edge else {
            doubt(trustedSize..<max(trustedSize, scan.end))
            return
        }
        for subtree in edge.subtrees {
            let (first, count) = (Int64(subtree.first), Int64(subtree.count))
            if count >= Self.width {
                try judge(tiles: first / Self.width..<(first + count) / Self.width, subtree.hash)
            } else {
                judge(
                    leaves: first..<first + count, subtree.hash,
                    stored: try storedHashes(of: first / Self.width))
            }
        }
    }

    /// The entries before it are all proven.
    var size: Int64 { unproven.first?.lowerBound ?? scan.end }

    func contains(_ index: Int64) -> Bool {
        var (low, high) = (0, unproven.count)
        while low < high {
            let middle = (low + high) / 2
            if unproven[middle].upperBound <= index { low = middle + 1 } else { high = middle }
        }
        return index < scan.end && (low == unproven.count || index < unproven[low].lowerBound)
    }

    private mutating func judge(tiles range: Range<Int64>, _ hash: Digest) throws {
        if Self.fold(range.map(computedTile)) == hash { return }
        guard Self.fold(range.map { storedTiles[$0] }) == hash else {
            let suspect = range.first { computedTile($0) == nil || computedTile($0) != storedTiles[$0] }
            return doubt((suspect ?? range.lowerBound) * Self.width..<range.upperBound * Self.width)
        }
        for tile in range where computedTile(tile) != storedTiles[tile] {
            let leaves = tile * Self.width..<(tile + 1) * Self.width
            if let signed = storedTiles[tile] {
                judge(leaves: leaves, signed, stored: try storedHashes(of: tile))
            }
        }
    }

    private mutating func judge(leaves range: Range<Int64>, _ hash: Digest, stored: [Int64: LeafHashes]) {
        if range.lowerBound + Int64(range.count) <= scan.first { return }
        if Self.fold(range.map { stored[$0]?.computed }, MerkleProof.rootOf) == hash { return }
        guard Self.fold(range.map { stored[$0]?.stored }, MerkleProof.rootOf) == hash else {
            return doubt(range)
        }
        for index in range {
            if let hashes = stored[index], hashes.stored == hashes.computed { continue }
            doubt(index..<index + 1)
        }
    }

    private typealias LeafHashes = (computed: Digest?, stored: Digest?)

    private func storedHashes(of tile: Int64) throws -> [Int64: LeafHashes] {
        var hashes: [Int64: LeafHashes] = [:]
        try database.forEachRow(
            "SELECT id, bytes, hash FROM audit_leaves WHERE id >= ? AND id < ?",
            [.integer(tile * Self.width), .integer((tile + 1) * Self.width)]
        ) { row in
            hashes[row.integer(0)] = (
                row.withBlob(1) { $0.map(MerkleHash.leaf(raw:)) },
                row.withBlob(2) { $0.flatMap { Digest(bytes: Array($0)) } }
            )
            return true
        }
        return hashes
    }

    private func computedTile(_ tile: Int64) -> Digest? { scan.tile(tile, stored: storedTiles) }

    private mutating func doubt(_ range: Range<Int64>) {
        guard !range.isEmpty else { return }
        if let last = unproven.last, last.upperBound == range.lowerBound {
            unproven[unproven.count - 1] = last.lowerBound..<range.upperBound
        } else {
            unproven.append(range)
        }
    }

    /// The root over tiles, of which there are a power of two; nil when one is missing.
    private static func fold(_ hashes: [Digest?]) -> Digest? {
        fold(hashes) { hashes in
            var edge = RightEdge()
            for hash in hashes { edge.append(tile: hash) }
            return edge.root
        }
    }

    private static func fold(_ hashes: [Digest?], _ root: ([Digest]) -> Digest) -> Digest? {
        let known = hashes.compactMap(\.self)
        return known.count == hashes.count ? root(known) : nil
    }
}
