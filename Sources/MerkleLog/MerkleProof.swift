import VaultCore
package import VaultCrypto

/// Proofs about an RFC 6962 tree: that a leaf is in it, and that a later tree extends an earlier one.
/// Building follows the recursive definitions of RFC 6962 section 2.1, checking the iterative algorithms of
/// RFC 9162; the two are written apart so that the tests of one are tests of the other.
package enum MerkleProof {
    /// The Merkle tree hash of a list of leaf hashes (RFC 6962 section 2.1).
    package static func rootOf(_ leafHashes: [Digest]) -> Digest {
        leafHashes.isEmpty ? MerkleHash.empty : root(of: leafHashes[...])
    }

    /// The audit path of leaf `index` in the tree of the first `size` leaves, lowest first (section 2.1.1).
    /// Throws ``VaultError/Code/invalidInput`` when there is no such leaf, and whatever the reader throws.
    package static func inclusion(
        of index: UInt64, in size: UInt64, hashes: some SubtreeReader
    ) throws -> [Digest] {
        guard index < size else {
            throw VaultError(.invalidInput, "The log of \(size) entries has no entry \(index).")
        }
        return try path(to: index, in: 0..<size, hashes)
    }

    /// The proof that the tree of the first `new` leaves extends that of the first `old` (section 2.1.2). It
    /// is empty for equal sizes, and for `old` zero, which RFC 6962 leaves open: anything extends nothing.
    package static func consistency(
        from old: UInt64, to new: UInt64, hashes: some SubtreeReader
    ) throws -> [Digest] {
        guard old <= new else {
            throw VaultError(.invalidInput, "A log of \(new) entries cannot extend one of \(old).")
        }
        if old == 0 || old == new { return [] }
        return try subproof(of: old, in: 0..<new, isWhole: true, hashes)
    }

    private static func root(of leafHashes: ArraySlice<Digest>) -> Digest {
        if leafHashes.count == 1 { return leafHashes[leafHashes.startIndex] }
        let middle = leafHashes.startIndex + Int(UInt64(leafHashes.count).merkleSplit)
        return MerkleHash.node(root(of: leafHashes[..<middle]), root(of: leafHashes[middle...]))
    }

    /// PATH of section 2.1.1; ranges and `index` count from the first leaf of the whole tree.
    private static func path(
        to index: UInt64, in range: Range<UInt64>, _ hashes: some SubtreeReader
    ) throws -> [Digest] {
        let count = range.upperBound - range.lowerBound
        if count == 1 { return [] }
        let middle = range.lowerBound + count.merkleSplit
        let left = range.lowerBound..<middle
        let right = middle..<range.upperBound
        return index < middle
            ? try path(to: index, in: left, hashes) + [try hashes.root(over: right)]
            : try path(to: index, in: right, hashes) + [try hashes.root(over: left)]
    }

    /// SUBPROOF of section 2.1.2; `isWhole` is its `b`: the range starts with the whole old tree, whose root
    /// the verifier has.
    private static func subproof(
        of old: UInt64, in range: Range<UInt64>, isWhole: Bool, _ hashes: some SubtreeReader
    ) throws -> [Digest] {
        if old == range.upperBound { return isWhole ? [] : [try hashes.root(over: range)] }
        let middle = range.lowerBound + (range.upperBound - range.lowerBound).merkleSplit
        let left = range.lowerBound..<middle
        let right = middle..<range.upperBound
        return old <= middle
            ? try subproof(of: old, in: left, isWhole: isWhole, hashes) + [try hashes.root(over: right)]
            : try subproof(of: old, in: right, isWhole: false, hashes) + [try hashes.root(over: left)]
    }
}

/// Checking proofs: total functions over whatever an adversary hands in.
extension MerkleProof {
    /// Whether `proof` shows the leaf at `index` of the tree with this head (RFC 9162 section 2.1.3.2). Size
    /// and root are trusted together, from one checkpoint: a proof does not bind the size by itself, since
    /// two sizes can give a leaf paths of the same shape.
    package static func verifyInclusion(
        leafHash: Digest, index: UInt64, size: UInt64, proof: [Digest], root: Digest
    ) -> Bool {
        guard index < size else { return false }
        var climb = Climb(node: index, last: size - 1)
        var hash = leafHash
        for sibling in proof {
            guard !climb.isAtRoot else { return false }
            if climb.hasLeftSibling {
                hash = MerkleHash.node(sibling, hash)
                climb.skipPromotedLevels()
            } else {
                hash = MerkleHash.node(hash, sibling)
            }
            climb.rise()
        }
        return climb.isAtRoot && hash == root
    }

    /// Whether `proof` shows that the new tree begins with the old one (RFC 9162 section 2.1.4.2).
    package static func verifyConsistency(
        old: UInt64, oldRoot: Digest, new: UInt64, newRoot: Digest, proof: [Digest]
    ) -> Bool {
        if old == 0, oldRoot != MerkleHash.empty { return false }
        if old == new { return proof.isEmpty && oldRoot == newRoot }
        if old == 0 { return proof.isEmpty }
        guard old < new, !proof.isEmpty else { return false }
        // A perfect old tree is a node of the new one, so the proof leaves its root out.
        let oldIsPerfect = old.nonzeroBitCount == 1
        let start = oldIsPerfect ? oldRoot : proof[0]

        var climb = Climb(node: old - 1, last: new - 1)
        climb.skipCompletedLevels()
        var (oldHash, newHash) = (start, start)
        for sibling in proof.dropFirst(oldIsPerfect ? 0 : 1) {
            guard !climb.isAtRoot else { return false }
            if climb.hasLeftSibling {
                oldHash = MerkleHash.node(sibling, oldHash)
                newHash = MerkleHash.node(sibling, newHash)
                climb.skipPromotedLevels()
            } else {
                newHash = MerkleHash.node(newHash, sibling)
            }
            climb.rise()
        }
        return climb.isAtRoot && oldHash == oldRoot && newHash == newRoot
    }
}

/// A node's index and that of the last node of its level, on the way up: `fn` and `sn` of RFC 9162.
private struct Climb {
    var node: UInt64
    var last: UInt64

    var isAtRoot: Bool { last == 0 }

    /// The last node of a level with an odd count has no right sibling: its own is to the left, further up.
    var hasLeftSibling: Bool { node & 1 == 1 || node == last }

    mutating func rise() {
        node >>= 1
        last >>= 1
    }

    /// Levels at which the node has no sibling at all, being the last of an odd count.
    mutating func skipPromotedLevels() {
        while node & 1 == 0, node != 0 { rise() }
    }

    /// Levels at which the old tree ends with a right child: its hash is below the first node of the proof.
    mutating func skipCompletedLevels() {
        while node & 1 == 1 { rise() }
    }
}
