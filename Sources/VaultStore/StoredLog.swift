package import MerkleLog
import VaultCore
package import VaultCrypto

/// The tree as it is stored: leaves hashed again from their bytes, tiles by the hash that was kept of them.
package struct StoredLog {
    package let database: Database

    package init(_ database: Database) { self.database = database }

    /// For proofs.
    package var subtrees: StoredSubtrees {
        StoredSubtrees(
            leaves: { range in
                try hashes("SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id", range) {
                    MerkleHash.leaf(raw: $0)
                }
            },
            tiles: tileHashes)
    }

    /// The kept hashes of a range of tiles, up to the first that is not there.
    package func tileHashes(_ range: Range<UInt64>) throws -> [Digest] {
        try hashes(
            "SELECT hash FROM audit_tiles WHERE id >= ? AND id < ? ORDER BY id", range, Digest.init(stored:))
    }

    /// The same of a range of leaves.
    package func leafHashes(_ range: Range<UInt64>) throws -> [Digest] {
        try hashes(
            "SELECT hash FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id", range, Digest.init(stored:))
    }

    /// The bytes of the entry with this index; nil where it is not there.
    package func leaf(_ index: Int64) throws -> [UInt8]? {
        try database.firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) { row in
            row.withBlob(0) { $0.map { Array($0) } }
        } ?? nil
    }

    /// - Parameter hash: nil for what is no hash.
    private func hashes(
        _ sql: String, _ range: Range<UInt64>, _ hash: (UnsafeRawBufferPointer) -> Digest?
    ) throws -> [Digest] {
        var hashes: [Digest] = []
        hashes.reserveCapacity(range.count)
        try database.forEachRow(
            sql, [.integer(Int64(range.lowerBound)), .integer(Int64(range.upperBound))]
        ) { row in
            guard let value = row.withBlob(0, { $0.flatMap(hash) }) else { return false }
            hashes.append(value)
            return true
        }
        return hashes
    }
}
