import MerkleLog
import TestSupport
import Testing
import VaultCore
import VaultCrypto

@Suite("Stored subtrees: proofs from leaf hashes and full tiles alone")
struct StoredSubtreesTests {
    private let tree: MemoryTree
    private let tiles: [Digest]
    private let size = 1_111

    init() {
        tree = MemoryTree(size: size)
        var edge = RightEdge()
        tiles = tree.leafHashes.compactMap { edge.append($0) }
    }

    @Test func `proofs are the same as from the whole tree`() throws {
        var generator = SeededGenerator("StoredSubtreesTests")
        let seed = generator.seed
        print("stored subtrees: seed \(seed)")

        let stored = reader()
        for _ in 0..<100 {
            let new = UInt64.random(in: 1...UInt64(size), using: &generator)
            let old = UInt64.random(in: 0...new, using: &generator)
            let index = UInt64.random(in: 0..<new, using: &generator)
            #expect(
                try MerkleProof.inclusion(of: index, in: new, hashes: stored)
                    == MerkleProof.inclusion(of: index, in: new, hashes: tree),
                "leaf \(index) of \(new), seed \(seed)")
            #expect(
                try MerkleProof.consistency(from: old, to: new, hashes: stored)
                    == MerkleProof.consistency(from: old, to: new, hashes: tree),
                "\(old) to \(new), seed \(seed)")
        }
    }

    @Test func `a proof reads no leaves but those of two tiles`() throws {
        var read = 0
        let stored = StoredSubtrees(
            leaves: { range in
                read += range.count
                return Array(tree.leafHashes[Int(range.lowerBound)..<Int(range.upperBound)])
            },
            tiles: { range in Array(tiles[Int(range.lowerBound)..<Int(range.upperBound)]) })
        let proof = try MerkleProof.inclusion(of: 300, in: UInt64(size), hashes: stored)
        #expect(
            MerkleProof.verifyInclusion(
                leafHash: tree.leafHashes[300], index: 300, size: UInt64(size), proof: proof,
                root: tree.root(of: size)))
        #expect(read > 0)
        #expect(read < 2 * Limits.tileWidth)
    }

    @Test func `a missing tile or leaf is an integrity error`() {
        #expect(throws: VaultError(.integrity, "")) {
            try MerkleProof.inclusion(of: 1_000, in: UInt64(size), hashes: reader(tiles: tiles.dropLast(3)))
        }
        #expect(throws: VaultError(.integrity, "")) {
            try MerkleProof.inclusion(
                of: 0, in: UInt64(size), hashes: reader(leaves: tree.leafHashes.dropLast()))
        }
    }

    /// Sources that give what they have of a range, as a query does.
    private func reader(leaves: [Digest]? = nil, tiles: [Digest]? = nil) -> StoredSubtrees {
        func source(_ hashes: [Digest]) -> StoredSubtrees.Source {
            { range in Array(hashes[range.clamped(to: 0..<UInt64(hashes.count)).asIntegers]) }
        }
        return StoredSubtrees(leaves: source(leaves ?? tree.leafHashes), tiles: source(tiles ?? self.tiles))
    }
}

extension Range<UInt64> {
    fileprivate var asIntegers: Range<Int> { Int(lowerBound)..<Int(upperBound) }
}
