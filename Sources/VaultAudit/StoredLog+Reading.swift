package import MerkleLog
package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

extension StoredLog {
    /// - Throws: ``VaultError/Code/integrity`` for one that is not there, or cannot be read.
    func readableEntry(_ index: Int64) throws -> AuditEntry {
        guard let entry = try entry(index) else { throw Self.unreadable(index) }
        return entry
    }

    /// Reads entries in order, those that are there, until `body` returns false. What it gets is valid during the call.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for one that cannot be read.
    package func forEachLeaf(
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

    /// What `body` makes of up to `limit` entries from `first` on.
    func entries<Entry>(
        from first: Int64, limit: Int, _ body: (LeafFields, UnsafeRawBufferPointer) -> Entry
    ) throws -> [Entry] {
        var entries: [Entry] = []
        guard limit > 0 else { return entries }
        try forEachLeaf(in: first..<max(first, .max)) { leaf, bytes in
            entries.append(body(leaf, bytes))
            return entries.count < limit
        }
        return entries
    }

    /// The first leaf of a log's time that is `time` or later. None before it was written later by its wall clock, but for
    /// some that were written while a clock was ahead, before the log's time was set back.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for a leaf that cannot be read.
    package func firstIndex(at time: VaultInstant, from first: Int64, to size: Int64) throws -> Int64 {
        var (low, high) = (first, size)
        while low < high {
            let middle = low + (high - low) / 2
            if try readableEntry(middle).time < time { low = middle + 1 } else { high = middle }
        }
        return low
    }

    /// The first leaf that says it was written at `time` or later. One that says it was written after `now` was written
    /// while the clock was ahead, and says nothing.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for a leaf that cannot be read.
    func firstIndex(
        since time: VaultInstant, _ now: VaultInstant, from first: Int64, to size: Int64
    ) throws -> Int64 {
        let (time, now) = (time.millisecondsSince1970, max(time, now).millisecondsSince1970)
        var found = size
        try forEachLeaf(in: first..<max(first, size)) { leaf, _ in
            if (time...now).contains(leaf.wall) { found = leaf.index }
            return found == size
        }
        return found
    }

    /// The root of the tree of the first `size` leaves.
    func root(of size: Int64) throws -> Digest {
        size == 0 ? MerkleHash.empty : try subtrees.root(over: 0..<UInt64(size))
    }

    /// The first leaf that is there; the size of the log when none is.
    package func firstKept(_ size: Int64) throws -> Int64 {
        try database.integer("SELECT id FROM audit_leaves WHERE id >= 0 ORDER BY id LIMIT 1") ?? size
    }

    /// Whether the root of the first `size` leaves can still be computed: pruning keeps no leaf hashes.
    package func keeps(prefix size: Int64) throws -> Bool {
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

    /// Whether `new` begins with `old`: shown against the root of `new`, so that stored hashes need not be believed.
    package func shows(_ old: Checkpoint, before new: Checkpoint) throws -> Bool {
        guard old.size < new.size else { return old == new }
        do {
            return MerkleProof.verifyConsistency(
                old: old.size, oldRoot: old.root, new: new.size, newRoot: new.root,
                proof: try MerkleProof.consistency(from: old.size, to: new.size, hashes: subtrees))
        } catch let error as VaultError where error.code == .integrity { return false }
    }
}
