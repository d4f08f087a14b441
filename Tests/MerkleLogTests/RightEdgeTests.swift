import MerkleLog
import Testing
import VaultCore
import VaultCrypto

@Suite("Right edge: a tree grows by remembering its perfect subtrees alone")
struct RightEdgeTests {
    @Test func `its root is that of the whole tree at every size`() {
        let tree = MemoryTree(size: 600)
        var edge = RightEdge()
        #expect(edge.root == MerkleHash.empty)
        for (index, leaf) in tree.leafHashes.enumerated() {
            _ = edge.append(leaf)
            #expect(edge.size == UInt64(index + 1))
            #expect(edge.root == tree.root(of: index + 1), "size \(index + 1)")
        }
    }

    @Test func `its hashes are the perfect subtrees, largest first`() throws {
        let tree = MemoryTree(size: 300)
        var edge = RightEdge()
        for leaf in tree.leafHashes { _ = edge.append(leaf) }
        // 300 = 256 + 32 + 8 + 4.
        #expect(
            edge.hashes == [
                try tree.hash(level: 8, index: 0), try tree.hash(level: 5, index: 8),
                try tree.hash(level: 3, index: 36), try tree.hash(level: 2, index: 74),
            ])
    }

    @Test func `whole tiles are as good as their leaves`() throws {
        let width = Limits.tileWidth
        let tree = MemoryTree(size: width * 6 + 5)
        var (edge, known) = (RightEdge(), RightEdge())
        for tile in 0..<6 { edge.append(tile: try tree.hash(level: 8, index: UInt64(tile))) }
        for leaf in tree.leafHashes[(width * 6)...] { _ = edge.append(leaf) }
        for leaf in tree.leafHashes { _ = known.append(leaf) }
        #expect(edge == known)
    }

    @Test func `it says where its subtrees begin`() {
        var edge = RightEdge()
        for leaf in MemoryTree(size: 300).leafHashes { _ = edge.append(leaf) }
        #expect(edge.subtrees.map(\.first) == [0, 256, 288, 296])
        #expect(edge.subtrees.map(\.count) == [256, 32, 8, 4])
        #expect(RightEdge().subtrees.isEmpty)
    }

    @Test func `the last leaves are shown by those below its last subtree and the tiles before them`() throws
    {
        let width = Limits.tileWidth
        let tree = MemoryTree(size: width * 4 + 3)
        var (edge, tiles) = (RightEdge(), [Digest]())
        #expect(!edge.ends(with: []) { _ in [] })
        for leaf in tree.leafHashes {
            if let tile = edge.append(leaf) { tiles.append(tile) }
            let size = Int(edge.size)
            let leaves = Array(tree.leafHashes[(size - min(size & -size, width))..<size])
            var asked = 0
            func ends(with leaves: [Digest], _ change: (inout [Digest]) -> Void = { _ in }) -> Bool {
                edge.ends(with: leaves) { range in
                    asked += range.count
                    var found = Array(tiles[Int(range.lowerBound)..<Int(range.upperBound)])
                    change(&found)
                    return found
                }
            }
            #expect(ends(with: leaves), "size \(size)")
            #expect(asked == max(0, (size & -size) / width - 1), "size \(size)")
            var other = leaves
            other[other.count - 1] = try leaf.flippingBit(size)
            #expect(!ends(with: other), "size \(size)")
            #expect(!ends(with: Array(leaves.dropFirst())), "size \(size)")
            guard asked > 0 else { continue }
            #expect(!ends(with: leaves) { $0.removeLast() }, "size \(size)")
            #expect(!ends(with: leaves) { $0[0] = leaf }, "size \(size)")
        }
    }

    @Test func `it gives the subtree hash of each tile when the tile is complete, and never else`() throws {
        let width = Limits.tileWidth
        let tree = MemoryTree(size: width * 4 + 3)
        var edge = RightEdge()
        for (index, leaf) in tree.leafHashes.enumerated() {
            let tile = edge.append(leaf)
            if (index + 1).isMultiple(of: width) {
                #expect(tile == (try tree.hash(level: 8, index: UInt64(index / width))), "leaf \(index)")
            } else {
                #expect(tile == nil, "leaf \(index)")
            }
        }
    }

    @Test func `stored and restored at any size, it grows on to the same root`() throws {
        let tree = MemoryTree(size: 130)
        var edge = RightEdge()
        for (index, leaf) in tree.leafHashes.enumerated() {
            let stored = try #require(RightEdge(size: UInt64(index), bytes: edge.bytes))
            #expect(stored == edge)
            #expect(RightEdge(size: edge.size, hashes: edge.hashes) == edge)
            edge = stored
            _ = edge.append(leaf)
        }
        #expect(edge.root == tree.root(of: 130))
    }

    @Test func `hashes that do not belong to the size are refused`() {
        let hash = MerkleHash.leaf([1])
        #expect(RightEdge(size: 5, hashes: [hash, hash]) != nil)
        #expect(RightEdge(size: 5, hashes: [hash]) == nil)
        #expect(RightEdge(size: 5, hashes: [hash, hash, hash]) == nil)
        #expect(RightEdge(size: 0, hashes: [hash]) == nil)
        #expect(RightEdge(size: 1, hashes: []) == nil)
        #expect(RightEdge(size: 0, hashes: []) == RightEdge())
    }

    @Test func `stored octets of another length are refused`() {
        #expect(RightEdge(size: 1, bytes: Array(repeating: 0, count: 32)) != nil)
        for count in [0, 1, 31, 33, 64] {
            #expect(RightEdge(size: 1, bytes: Array(repeating: 0, count: count)) == nil, "\(count) octets")
        }
        #expect(RightEdge(size: 0, bytes: []) == RightEdge())
    }

    @Test func `a size beyond a database integer is refused`() {
        let hashes = Array(repeating: MerkleHash.leaf([1]), count: 64)
        #expect(RightEdge(size: .max, hashes: hashes) == nil)
        #expect(RightEdge(size: UInt64(Int64.max), hashes: Array(hashes.dropLast())) != nil)
    }
}
