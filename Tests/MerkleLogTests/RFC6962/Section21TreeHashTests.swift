import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("RFC 6962 section 2.1: the Merkle tree hash")
struct Section21TreeHashTests {
    @Test func `the known leaves have the known roots`() throws {
        let tree = MemoryTree(leaves: MerkleVectors.leaves)
        #expect(tree.leafHashes.count == 8)
        for (size, root) in MerkleVectors.roots.enumerated() {
            #expect(tree.root(of: size) == (try Digest(hex: root)), "size \(size)")
        }
    }

    @Test func `a tree of one leaf has the hash of that leaf as its root`() {
        let leaf = MerkleHash.leaf([1, 2, 3])
        #expect(MerkleProof.rootOf([leaf]) == leaf)
    }

    @Test func `two children concatenated as a leaf do not hash to their parent`() {
        let (left, right) = (MerkleHash.leaf([1]), MerkleHash.leaf([2]))
        #expect(MerkleHash.leaf(left.bytes + right.bytes) != MerkleHash.node(left, right))
    }

    @Test func `the root depends on the order of the leaves`() {
        let (left, right) = (MerkleHash.leaf([1]), MerkleHash.leaf([2]))
        #expect(MerkleProof.rootOf([left, right]) != MerkleProof.rootOf([right, left]))
    }

    @Test func `the hash of a leaf covers all its octets, up to the longest leaf`() {
        let longest = [UInt8](repeating: 7, count: Limits.leafBytes)
        var other = longest
        other[longest.count - 1] ^= 1
        #expect(MerkleHash.leaf(longest) != MerkleHash.leaf(other))
        #expect(MerkleHash.leaf(longest) != MerkleHash.leaf(longest.dropLast()))
        #expect(MerkleHash.leaf(longest) == SHA256.hash([0] + longest))
    }
}
