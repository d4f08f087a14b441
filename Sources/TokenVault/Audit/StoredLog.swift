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

    /// The bytes of the entry with this index; nil where it is not there.
    func leaf(_ index: Int64) throws -> [UInt8]? {
        try database.firstRow("SELECT bytes FROM audit_leaves WHERE id = ?", [.integer(index)]) { row in
            row.withBlob(0) { $0.map { Array($0) } }
        } ?? nil
    }

    /// The entry with this index; nil where it is not there, or cannot be read.
    func entry(_ index: Int64) throws -> AuditEntry? { try leaf(index).flatMap(AuditLeaf.decode) }

    /// - Throws: ``VaultError/Code/integrity`` for one that is not there, or cannot be read.
    func readableEntry(_ index: Int64) throws -> AuditEntry {
        guard let entry = try entry(index) else { throw Self.unreadable(index) }
        return entry
    }

    /// Reads entries in order, those that are there, until `body` returns false. What it gets is valid during the call.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for one that cannot be read.
    func forEachLeaf(
        in range: Range<Int64>, _ body: (LeafFields, UnsafeRawBufferPointer) throws -> Bool
    ) throws {
        try database.forEachRow(
            "SELECT id, bytes FROM audit_leaves WHERE id >= ? AND id < ? ORDER BY id",
            [.integer(range.lowerBound), .integer(range.upperBound)]
        ) { row in
            let index = row.integer(0)
            return try row.withBlob(1) { bytes in
                guard let bytes, let leaf = LeafFields(reading: bytes), leaf.index == index else {
                    throw Self.unreadable(index)
                }
                return try body(leaf, bytes)
            }
        }
    }

    /// The first leaf written at `time` or later; leaves are in order of time.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for a leaf that cannot be read.
    func firstIndex(at time: VaultInstant, from first: Int64, to size: Int64) throws -> Int64 {
        var (low, high) = (first, size)
        while low < high {
            let middle = low + (high - low) / 2
            if try readableEntry(middle).time < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    static func unreadable(_ index: Int64) -> VaultError {
        VaultError(
            .integrity, "Entry \(index) of the log cannot be read.", remedy: "Run 'tokenvault audit verify'.")
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
