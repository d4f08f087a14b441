import VaultCore
package import VaultCrypto

/// All that a tree must remember in order to grow: the roots of its perfect subtrees, largest first. A tree
/// of `size` leaves has one perfect subtree for each one-bit of `size`. Appending a leaf merges equal ones as
/// a binary counter carries: one node hash per leaf on average, `log2(size)` at worst.
package struct RightEdge: Sendable, Equatable {
    package private(set) var size: UInt64
    package private(set) var hashes: [Digest]

    /// The empty tree.
    package init() {
        size = 0
        hashes = []
    }

    /// Nil unless there is one hash for each one-bit of `size`, and `size` fits a database integer.
    package init?(size: UInt64, hashes: [Digest]) {
        guard size <= UInt64(Int64.max), hashes.count == size.nonzeroBitCount else { return nil }
        self.size = size
        self.hashes = hashes
    }

    /// The stored form: the hashes one after another, 32 octets each.
    package init?(size: UInt64, bytes: [UInt8]) {
        let width = Digest.byteCount
        guard bytes.count.isMultiple(of: width) else { return nil }
        let hashes = stride(from: 0, to: bytes.count, by: width).compactMap { start in
            Digest(bytes: Array(bytes[start..<start + width]))
        }
        self.init(size: size, hashes: hashes)
    }

    package var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(hashes.count * Digest.byteCount)
        for hash in hashes { bytes += hash.bytes }
        return bytes
    }

    /// The Merkle tree hash over all leaves.
    package var root: Digest {
        guard var root = hashes.last else { return MerkleHash.empty }
        for hash in hashes.dropLast().reversed() { root = MerkleHash.node(hash, root) }
        return root
    }

    /// Adds a leaf at index `size`. The result is the subtree hash of the tile it completed, if it did.
    package mutating func append(_ leafHash: Digest) -> Digest? {
        var subtree = leafHash
        var tile: Digest?
        // The trailing ones of the old size are the perfect subtrees this leaf fills up, smallest first.
        let merges = (~size).trailingZeroBitCount
        for level in 0..<merges {
            subtree = MerkleHash.node(hashes.removeLast(), subtree)
            if level + 1 == Self.tileLevel { tile = subtree }
        }
        hashes.append(subtree)
        size += 1
        return tile
    }

    /// Adds the leaves under a full tile at once, by their subtree hash. The size must be a multiple of the
    /// width of a tile.
    package mutating func append(tile: Digest) {
        precondition(size.isMultiple(of: UInt64(Limits.tileWidth)), "tiles follow full tiles only")
        var subtree = tile
        for _ in 0..<(~(size >> UInt64(Self.tileLevel))).trailingZeroBitCount {
            subtree = MerkleHash.node(hashes.removeLast(), subtree)
        }
        hashes.append(subtree)
        size += UInt64(Limits.tileWidth)
    }

    /// The perfect subtrees and where each begins, largest first.
    package var subtrees: [(first: UInt64, count: UInt64, hash: Digest)] {
        var first: UInt64 = 0
        return hashes.map { hash in
            let count = UInt64(1) << UInt64(63 - (size - first).leadingZeroBitCount)
            defer { first += count }
            return (first, count, hash)
        }
    }

    /// Whether the tree ends with these leaves: all below its last perfect subtree, or the last tile of that.
    ///
    /// - Parameter tiles: asked for the hashes of the full tiles before it, where there are any.
    package func ends(
        with leaves: [Digest], after tiles: (Range<UInt64>) throws -> [Digest]
    ) rethrows -> Bool {
        let width = UInt64(Limits.tileWidth)
        guard let (first, count, hash) = subtrees.last, leaves.count == min(count, width) else {
            return false
        }
        var parts = [MerkleProof.rootOf(leaves)]
        if count > width { parts = try tiles(first / width..<size / width - 1) + parts }
        return parts.count == max(1, count / width) && MerkleProof.rootOf(parts) == hash
    }

    /// Height of a full tile: 2^8 = 256 leaves.
    static let tileLevel = Limits.tileWidth.trailingZeroBitCount
}
