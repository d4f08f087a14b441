package import VaultCrypto

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
