import MerkleLog
import VaultCore
import VaultCrypto
package import VaultStore

extension LogHead {
    /// Whether the log begins with what it was at `old`: that tree, grown by the leaves and tiles since, has to get the root
    /// of this one. The stored hashes need not be believed for that.
    ///
    /// Reads the hashes of the leaves up to the next full tile, of the tiles from there on, and of the leaves behind them.
    package func extends(_ old: LogHead, in database: Database) throws -> Bool {
        guard old.edge.size < edge.size else { return old.edge.size == edge.size && old.root == root }
        let (log, width) = (StoredLog(database), UInt64(Limits.tileWidth))
        var grown = old.edge
        let filled = min((grown.size + width - 1) / width * width, edge.size)
        let first = try log.leafHashes(grown.size..<filled)
        if first.isEmpty, grown.size < filled { return try extendsPruned(old, until: filled, log) }
        for hash in first { _ = grown.append(hash) }
        guard grown.size == filled else { return false }
        if filled < edge.size {
            for hash in try log.tileHashes(filled / width..<edge.size / width) { grown.append(tile: hash) }
            for hash in try log.leafHashes(edge.size / width * width..<edge.size) { _ = grown.append(hash) }
        }
        return grown.size == edge.size && grown.root == root
    }

    /// The same where the leaves of the tile in which the old tree ended are gone: its full tiles have to be there, and an
    /// entry has to say that the leaves were pruned.
    private func extendsPruned(_ old: LogHead, until first: UInt64, _ log: StoredLog) throws -> Bool {
        do {
            guard try log.subtrees.root(over: 0..<edge.size) == root else { return false }
            for (first, count, hash) in old.edge.subtrees where count >= UInt64(Limits.tileWidth) {
                guard try log.subtrees.root(over: first..<first + count) == hash else { return false }
            }
            var announcement: UInt64?
            try log.database.forEachRow(
                "SELECT id, bytes FROM audit_leaves WHERE id >= ? ORDER BY id", [.integer(Int64(first))]
            ) { row in
                let entry = row.withBlob(1) { $0.flatMap { AuditLeaf.decode(Array($0)) } }
                if entry?.operation == AuditOperation.auditPrune.rawValue, entry?.count ?? 0 >= Int64(first) {
                    announcement = UInt64(exactly: row.integer(0))
                }
                return announcement == nil
            }
            return try announcement.map { try log.subtrees.hasLeaves(ofTileWith: $0, in: edge.size) } ?? false
        } catch let error as VaultError where error.code == .integrity { return false }
    }
}

extension LogHead {
    /// The error for a log that lacks what this process saw of it.
    static func lost(_ own: LogHead, _ found: LogHead) -> VaultError {
        let how =
            found.size < own.size
            ? "The log has \(found.size) entries, and this process committed \(own.size)"
            : "The log of \(found.size) entries does not begin with the \(own.size) that this process committed"
        return VaultError(
            .integrity,
            "\(how): an older copy is in place of the newest. Nothing is read or written any more.",
            remedy:
                "Keep a copy, put the newest database back if there is one, or restore a backup; then restart."
        )
    }
}
