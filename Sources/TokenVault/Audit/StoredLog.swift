import GRDB
import MerkleLog
import VaultCore
import VaultCrypto

/// The tree as it is stored: leaves hashed anew from their bytes, tiles by the hash that was kept of them.
struct StoredLog {
    let database: Database

    init(_ database: Database) { self.database = database }

    /// For proofs.
    var subtrees: StoredSubtrees {
        StoredSubtrees(
            leaves: { range in
                try hashes("SELECT bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id", range) {
                    MerkleHash.leaf(raw: $0)
                }
            },
            tiles: { range in
                try hashes("SELECT hash FROM audit_tiles WHERE id >= ? AND id < ? ORDER BY id", range) {
                    $0.count == Digest.byteCount ? Digest(loading: $0) : nil
                }
            })
    }

    /// The entry with this index; nil where it is not there, or cannot be read.
    func entry(_ index: Int64) throws -> AuditEntry? {
        let bytes = try database.firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) {
            $0.value(0)
        }
        guard case .blob(let leaf) = bytes else { return nil }
        return AuditLeaf.decode(leaf)
    }

    /// The root of the tree of the first `size` leaves.
    func root(of size: Int64) throws -> Digest {
        size == 0 ? MerkleHash.empty : try subtrees.root(over: 0..<UInt64(size))
    }

    /// The first leaf that is there; the size of the log when none is.
    func firstKept(_ size: Int64) throws -> Int64 {
        let lowest = try database.firstRow("SELECT id FROM audit_leaves WHERE id >= 0 ORDER BY id LIMIT 1") {
            $0.integer(0)
        }
        return lowest ?? size
    }

    /// Whether the root of the first `size` leaves can still be computed: pruning keeps no leaf hashes.
    func keeps(prefix size: Int64) throws -> Bool {
        let partial = size / Int64(Limits.tileWidth) * Int64(Limits.tileWidth)
        return try size == partial || firstKept(size) <= partial
    }

    /// What is said of a checkpoint too old for that.
    static func pruned(_ size: Int64) -> VaultError {
        VaultError(
            .notFound,
            "The entries around \(size) were pruned; nothing can be proved about a log of that size.",
            remedy: "Use a newer checkpoint.")
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
