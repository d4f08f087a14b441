import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("RFC 6962 section 2.1.1: inclusion proofs")
struct Section211InclusionProofTests {
    private let largest = 70

    @Test(arguments: MerkleVectors.inclusions)
    func `the known proofs are built and accepted`(_ known: MerkleVectors.Inclusion) throws {
        let tree = MemoryTree(leaves: MerkleVectors.leaves)
        let proof = try MerkleProof.inclusion(of: known.index, in: known.size, hashes: tree)
        #expect(proof == (try known.proof.map { try Digest(hex: $0) }))
        #expect(
            MerkleProof.verifyInclusion(
                leafHash: tree.leafHashes[Int(known.index)], index: known.index, size: known.size,
                proof: proof, root: try Digest(hex: MerkleVectors.roots[Int(known.size)])))
    }

    @Test func `every leaf of every tree has a proof that is accepted`() throws {
        try forEveryProof { leaf, index, size, proof, root in
            #expect(
                MerkleProof.verifyInclusion(
                    leafHash: leaf, index: index, size: size, proof: proof, root: root),
                "leaf \(index) of \(size)")
        }
    }

    @Test func `every spoilt proof is refused`() throws {
        try forEveryProof { leaf, index, size, proof, root in
            for spoilt in try spoiltProofs(of: proof) {
                #expect(
                    !MerkleProof.verifyInclusion(
                        leafHash: leaf, index: index, size: size, proof: spoilt, root: root),
                    "leaf \(index) of \(size)")
            }
        }
    }

    @Test func `a proof is refused for another leaf, another root, and every other index`() throws {
        try forEveryProof { leaf, index, size, proof, root in
            let other = try leaf.flippingBit(Int(index))
            let otherRoot = try root.flippingBit(Int(size))
            #expect(
                !MerkleProof.verifyInclusion(
                    leafHash: other, index: index, size: size, proof: proof, root: root))
            #expect(
                !MerkleProof.verifyInclusion(
                    leafHash: leaf, index: index, size: size, proof: proof, root: otherRoot))
            for wrong in 0...size where wrong != index {
                #expect(
                    !MerkleProof.verifyInclusion(
                        leafHash: leaf, index: wrong, size: size, proof: proof, root: root),
                    "leaf \(index) of \(size) as \(wrong)")
            }
        }
    }

    @Test func `a proof that leads past the root is refused, though its hashes fit`() {
        let (left, right) = (MerkleHash.leaf([1]), MerkleHash.leaf([2]))
        #expect(
            !MerkleProof.verifyInclusion(
                leafHash: right, index: 0, size: 1, proof: [left], root: MerkleHash.node(left, right)))
    }

    @Test func `an index outside the tree has no proof`() {
        let tree = MemoryTree(size: 3)
        for (index, size) in [(0, 0), (3, 3), (UInt64.max, 3)] as [(UInt64, UInt64)] {
            #expect(throws: VaultError(.invalidInput, "")) {
                try MerkleProof.inclusion(of: index, in: size, hashes: tree)
            }
        }
    }

    @Test func `the largest sizes are judged without overflow`() {
        let hash = MerkleHash.leaf([1])
        for index in [0, .max / 2, .max - 1, .max] as [UInt64] {
            #expect(
                !MerkleProof.verifyInclusion(
                    leafHash: hash, index: index, size: .max, proof: Array(repeating: hash, count: 64),
                    root: hash))
        }
    }

    private typealias Check = (
        _ leaf: Digest, _ index: UInt64, _ size: UInt64, _ proof: [Digest], _ root: Digest
    ) throws -> Void

    private func forEveryProof(_ body: Check) throws {
        let tree = MemoryTree(size: largest)
        for size in 1...largest {
            let root = tree.root(of: size)
            for index in 0..<size {
                let proof = try MerkleProof.inclusion(of: UInt64(index), in: UInt64(size), hashes: tree)
                try body(tree.leafHashes[index], UInt64(index), UInt64(size), proof, root)
            }
        }
    }
}
