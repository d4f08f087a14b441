import VaultCore
package import VaultCrypto

/// Answers for the hashes of a tree, so that a proof is built without loading the tree.
package protocol SubtreeReader {
    /// The root of the perfect subtree over the leaves `index << level ..< (index + 1) << level`. Proofs ask
    /// for subtrees that lie wholly inside the tree, and for no other.
    func hash(level: Int, index: UInt64) throws -> Digest
}

extension SubtreeReader {
    /// The Merkle tree hash of a non-empty range that the recursion of RFC 6962 can reach: its start is a
    /// multiple of the smallest power of two that is not below its length.
    package func root(over range: Range<UInt64>) throws -> Digest {
        let count = range.upperBound - range.lowerBound
        if count.nonzeroBitCount == 1 {
            let level = count.trailingZeroBitCount
            return try hash(level: level, index: range.lowerBound >> UInt64(level))
        }
        let middle = range.lowerBound + count.merkleSplit
        return MerkleHash.node(
            try root(over: range.lowerBound..<middle), try root(over: middle..<range.upperBound))
    }
}

/// A reader over what a vault stores: the hash of every leaf, and the subtree hash of every full tile.
/// Subtrees below a tile are computed from their leaves, those above from their tiles; so a proof in a tree
/// of a million leaves reads a few hundred leaf hashes and each tile at most once.
package struct StoredSubtrees: SubtreeReader {
    /// Hashes of the things in a range of indexes, in order.
    package typealias Source = (Range<UInt64>) throws -> [Digest]

    private let leaves: Source
    private let tiles: Source

    /// - Parameters:
    ///   - leaves: leaf hashes by leaf index.
    ///   - tiles: subtree hashes by tile index, tile `t` over the leaves from `t * Limits.tileWidth`.
    package init(leaves: @escaping Source, tiles: @escaping Source) {
        self.leaves = leaves
        self.tiles = tiles
    }

    /// Throws what a source throws, and ``VaultError/Code/integrity`` when a hash is missing.
    package func hash(level: Int, index: UInt64) throws -> Digest {
        let aboveTile = level - RightEdge.tileLevel
        let width = UInt64(1) << UInt64(aboveTile >= 0 ? aboveTile : level)
        let range = index * width..<(index + 1) * width
        let hashes = try aboveTile >= 0 ? tiles(range) : leaves(range)
        guard UInt64(hashes.count) == width else {
            throw VaultError(.integrity, "The audit log lacks hashes of its own leaves or tiles.")
        }
        // A perfect subtree of perfect subtrees: the same fold whatever the level of its parts.
        return MerkleProof.rootOf(hashes)
    }

    /// Whether the leaves of a tile are those that its hash was kept of. The root vouches for those of the last tile.
    package func hasLeaves(ofTileWith leaf: UInt64, in size: UInt64) throws -> Bool {
        let width = UInt64(Limits.tileWidth)
        let tile = leaf / width
        guard (tile + 1) * width <= size else { return true }
        return try MerkleProof.rootOf(leaves(tile * width..<(tile + 1) * width))
            == hash(level: RightEdge.tileLevel, index: tile)
    }
}
