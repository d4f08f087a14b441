import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("RFC 6962 section 2.1.2: consistency proofs")
struct Section212ConsistencyProofTests {
    private let largest = 70

    @Test(arguments: MerkleVectors.consistencies)
    func `the known proofs are built and accepted`(_ known: MerkleVectors.Consistency) throws {
        let tree = MemoryTree(leaves: MerkleVectors.leaves)
        let proof = try MerkleProof.consistency(from: known.old, to: known.new, hashes: tree)
        #expect(proof == (try known.proof.map { try Digest(hex: $0) }))
        #expect(
            MerkleProof.verifyConsistency(
                old: known.old, oldRoot: try Digest(hex: MerkleVectors.roots[Int(known.old)]),
                new: known.new, newRoot: try Digest(hex: MerkleVectors.roots[Int(known.new)]), proof: proof))
    }

    @Test func `every tree is shown to extend every earlier one`() throws {
        try forEveryProof { pair, proof in
            #expect(pair.accepts(proof), "\(pair.old) to \(pair.new)")
        }
    }

    @Test func `every spoilt proof is refused`() throws {
        try forEveryProof { pair, proof in
            for spoilt in try spoiltProofs(of: proof) {
                #expect(!pair.accepts(spoilt), "\(pair.old) to \(pair.new)")
            }
        }
    }

    @Test func `a proof is refused for another old root and for another new root`() throws {
        try forEveryProof { pair, proof in
            var otherOld = pair
            otherOld.oldRoot = try pair.oldRoot.flippingBit(Int(pair.new))
            #expect(!otherOld.accepts(proof), "\(pair.old) to \(pair.new)")
            // Anything extends the empty tree: with an old size of zero no new root is refused.
            if pair.old > 0 {
                var otherNew = pair
                otherNew.newRoot = try pair.newRoot.flippingBit(Int(pair.old))
                #expect(!otherNew.accepts(proof), "\(pair.old) to \(pair.new)")
            }
        }
    }

    @Test func `a tree in which an early leaf was replaced extends none of its former heads`() throws {
        let honest = MemoryTree(size: 40)
        var hashes = honest.leafHashes
        hashes[3] = MerkleHash.leaf(Array("rewritten".utf8))
        let rewritten = MemoryTree(leafHashes: hashes)
        for old in 4..<40 {
            let pair = Heads(
                old: UInt64(old), oldRoot: honest.root(of: old), new: 40, newRoot: rewritten.root(of: 40))
            for tree in [honest, rewritten] {
                let proof = try MerkleProof.consistency(from: UInt64(old), to: 40, hashes: tree)
                #expect(!pair.accepts(proof), "from \(old)")
            }
        }
    }

    @Test func `a shrunken tree has no proof, and none is accepted`() throws {
        let tree = MemoryTree(size: 8)
        #expect(throws: VaultError(.invalidInput, "")) {
            try MerkleProof.consistency(from: 8, to: 7, hashes: tree)
        }
        let backwards = Heads(old: 8, oldRoot: tree.root(of: 8), new: 7, newRoot: tree.root(of: 7))
        #expect(!backwards.accepts([]))
        #expect(!backwards.accepts(try MerkleProof.consistency(from: 7, to: 8, hashes: tree)))
        let root = tree.root(of: 1)
        #expect(!Heads(old: 3, oldRoot: root, new: 1, newRoot: root).accepts([root]))
    }

    @Test func `a proof that leads past the root is refused, though its hashes fit`() throws {
        let tree = MemoryTree(size: 4)
        let proof = try MerkleProof.consistency(from: 3, to: 4, hashes: tree)
        let above = MerkleHash.leaf([9])
        let heads = Heads(
            old: 3, oldRoot: MerkleHash.node(above, tree.root(of: 3)),
            new: 4, newRoot: MerkleHash.node(above, tree.root(of: 4)))
        #expect(!heads.accepts(proof + [above]))
    }

    @Test func `a proof that stops below the root is refused, though its hashes fit`() throws {
        try forEveryProof { heads, proof in
            guard heads.old > 0 else { return }
            var taller = heads
            taller.new <<= 7
            #expect(!taller.accepts(proof), "\(heads.old) to \(heads.new) as \(taller.new)")
        }
    }

    @Test func `an empty proof does not join two different trees`() {
        let tree = MemoryTree(size: 8)
        #expect(!Heads(old: 4, oldRoot: tree.root(of: 4), new: 8, newRoot: tree.root(of: 8)).accepts([]))
        #expect(!Heads(old: 4, oldRoot: tree.root(of: 4), new: 4, newRoot: tree.root(of: 3)).accepts([]))
        #expect(!Heads(old: 0, oldRoot: tree.root(of: 1), new: 0, newRoot: tree.root(of: 1)).accepts([]))
    }

    @Test func `the largest sizes are judged without overflow`() {
        let hash = MerkleHash.leaf([1])
        let proof = Array(repeating: hash, count: 64)
        for old in [1, .max / 2, .max / 2 + 1, .max - 1] as [UInt64] {
            #expect(!Heads(old: old, oldRoot: hash, new: .max, newRoot: hash).accepts(proof))
        }
    }

    private struct Heads {
        var old: UInt64
        var oldRoot: Digest
        var new: UInt64
        var newRoot: Digest

        func accepts(_ proof: [Digest]) -> Bool {
            MerkleProof.verifyConsistency(
                old: old, oldRoot: oldRoot, new: new, newRoot: newRoot, proof: proof)
        }
    }

    private func forEveryProof(_ body: (Heads, [Digest]) throws -> Void) throws {
        let tree = MemoryTree(size: largest)
        let roots = (0...largest).map { tree.root(of: $0) }
        for new in 0...largest {
            for old in 0...new {
                let heads = Heads(
                    old: UInt64(old), oldRoot: roots[old], new: UInt64(new), newRoot: roots[new])
                try body(heads, try MerkleProof.consistency(from: heads.old, to: heads.new, hashes: tree))
            }
        }
    }
}
