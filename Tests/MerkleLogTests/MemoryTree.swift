import MerkleLog
import Testing
import VaultCore
import VaultCrypto

/// A tree whose leaf hashes are all in memory: the obvious reader that proofs are compared with.
struct MemoryTree: SubtreeReader {
    let leafHashes: [Digest]

    /// Leaves with distinct contents, so that no two hashes agree by chance of the test.
    init(size: Int) {
        leafHashes = (0..<size).map { index in MerkleHash.leaf(Array("leaf \(index)".utf8)) }
    }

    init(leafHashes: [Digest]) {
        self.leafHashes = leafHashes
    }

    init(leaves: [[UInt8]]) {
        leafHashes = leaves.map(MerkleHash.leaf)
    }

    func hash(level: Int, index: UInt64) throws -> Digest {
        let first = Int(index) << level
        let end = first + (1 << level)
        guard end <= leafHashes.count else { throw OutsideTree() }
        return MerkleProof.rootOf(Array(leafHashes[first..<end]))
    }

    /// The root of the tree of the first `size` leaves.
    func root(of size: Int) -> Digest { MerkleProof.rootOf(Array(leafHashes[..<size])) }

    /// A proof builder asked for a subtree that is not wholly in the tree.
    struct OutsideTree: Error {}
}

extension Digest {
    /// The same digest with one bit turned.
    func flippingBit(_ bit: Int) throws -> Digest {
        var octets = bytes
        octets[bit / 8 % octets.count] ^= 1 << UInt8(bit % 8)
        return try #require(Digest(bytes: octets))
    }

    init(hex: String) throws {
        self = try #require(Hex.decode(hex).flatMap { Digest(bytes: $0) })
    }
}

/// Every way in which a proof is spoilt by a small change: a bit, an order, a hash too few or too many.
func spoiltProofs(of proof: [Digest]) throws -> [[Digest]] {
    var spoilt: [[Digest]] = [proof + [MerkleHash.empty], [MerkleHash.empty] + proof]
    for position in proof.indices {
        var flipped = proof
        flipped[position] = try proof[position].flippingBit(position * 37 + proof.count)
        var shortened = proof
        shortened.remove(at: position)
        spoilt += [flipped, shortened]
        if position > 0 {
            var swapped = proof
            swapped.swapAt(position - 1, position)
            spoilt.append(swapped)
        }
    }
    return spoilt
}
