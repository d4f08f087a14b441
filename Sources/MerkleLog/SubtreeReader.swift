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
