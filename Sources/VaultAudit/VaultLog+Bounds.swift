import Logging
import MerkleLog
import Synchronization
package import TokenVault
import VaultCore
import VaultCrypto
import VaultStore

/// What this process last saw of the log's bounds, for metrics.
final class LogBounds: Sendable {
    private let state = Mutex((firstKept: Int64?.none, overdue: Int64(0)))

    var firstKept: Int64? { state.withLock { $0.firstKept } }
    var overdue: Int64 { state.withLock { $0.overdue } }

    /// - Returns: whether entries are over the bounds that were not before.
    fileprivate func note(_ firstKept: Int64, overdue: Int64) -> Bool {
        state.withLock { state in
            defer { state = (firstKept, overdue) }
            return overdue > 0 && state.overdue == 0
        }
    }
}

extension VaultLog {
    /// The first entry of the log that is kept; nil until it was looked at.
    package var firstKept: Int64? { logBounds.firstKept }
    /// Entries over the bounds of the log that wait for an anchor, an export or a webhook.
    package var overdueEntries: Int64 { logBounds.overdue }
    private var logBounds: LogBounds { vault.companion(LogBounds()) }

    /// Prunes what is over the bounds, at most ``Limits/prunedLeavesAtOnce`` entries, in transactions of some milliseconds.
    ///
    /// Only what is covered goes (``Database/coveredEntries(_:)``), and only while the clocks can be believed. Rows must have
    /// been compared with the log before, and whole tiles are hashed again: what is damaged must not be made to look
    /// as if it had been pruned. A process that holds the keys of one role leaves it to others.
    ///
    /// - Parameter rest: called between two transactions; what it throws ends the work, which is gone on with later.
    /// - Returns: whether there may be more at once.
    /// - Throws: ``VaultError/Code/integrity`` for an entry that is not as it was written.
    package func keepInBounds(_ retention: LogRetention, rest: () async throws -> Void) async throws -> Bool {
        guard retention != .everything else { return false }
        let now = vault.clock.now()
        let (plan, overdue) = try await vault.study { database, keys in
            let head = try LogHead.read(database)
            let log = StoredLog(database)
            let first = try log.firstKept(head.size)
            let wanted = try log.end(of: retention, now, from: first, head)
            let covered = try min(wanted, database.coveredEntries(keys.keyring) ?? 0)
            let width = Int64(Limits.tileWidth)
            let plan = PrunePlan(
                size: head.size, firstKept: first, newFirstKept: max(first, covered / width * width))
            return (plan, max(0, wanted / width * width - plan.newFirstKept))
        }
        if logBounds.note(plan.firstKept, overdue: overdue) {
            vault.logger.warning(
                "Old entries of the log are not pruned: an anchor, an export or a webhook lags.",
                metadata: ["first": "\(plan.newFirstKept)", "entries": "\(overdue)"])
        }
        guard plan.entries > 0, vault.roles == .everything, vault.rowPasses > 0, vault.damagedRows == 0,
            try await vault.housekeep({ $0.clocksAgree })
        else { return false }
        try await remove(plan, rest: rest)
        _ = logBounds.note(plan.newFirstKept, overdue: overdue)
        vault.logger.notice(
            "Old entries of the log were pruned.",
            metadata: ["entries": "\(plan.entries)", "first_kept": "\(plan.newFirstKept)"])
        return plan.entries >= Limits.prunedLeavesAtOnce
    }
}

extension StoredLog {
    /// The first entry that is to be kept, as far as one turn looks.
    fileprivate func end(
        of retention: LogRetention, _ now: VaultInstant, from first: Int64, _ head: LogHead
    ) throws -> Int64 {
        var end = try retention.age.map { try self.end(olderThan: $0, now, from: first, head.size) } ?? first
        if let size = retention.size {
            let excess = head.size - size / max(1, try bytesOfEntry(from: first, to: head.size))
            if excess > end {
                end = max(
                    end, min(excess, try self.end(olderThan: LogRetention.floor, now, from: first, head.size))
                )
            }
        }
        return end
    }

    /// Behind the last entry of those from `first` on that is older than `age`, before any that is not. One that says it is
    /// from the future was written while the clock was ahead: it goes with the next that is old.
    ///
    /// - Throws: ``VaultError/Code/integrity`` unless every whole tile on the way is what its hash says.
    private func end(
        olderThan age: Duration, _ now: VaultInstant, from first: Int64, _ size: Int64
    ) throws -> Int64 {
        let (time, now) = (now.advanced(by: .zero - age).millisecondsSince1970, now.millisecondsSince1970)
        var (end, edge) = (first, RightEdge())
        guard first.isMultiple(of: Int64(Limits.tileWidth)) else { throw Self.unreadable(first) }
        try forEachLeaf(in: first..<min(size, first + Limits.prunedLeavesAtOnce)) { leaf, bytes in
            guard leaf.index == first + Int64(edge.size) else { throw Self.unreadable(leaf.index - 1) }
            guard !(time...now).contains(leaf.wall) else { return false }
            if leaf.wall < time { end = leaf.index + 1 }
            if let tile = edge.append(MerkleHash.leaf(raw: bytes)),
                try tile != subtrees.hash(level: 8, index: UInt64(leaf.index / Int64(Limits.tileWidth)))
            {
                throw Self.unreadable(leaf.index)
            }
            return true
        }
        return end
    }

    /// Bytes that an entry takes on average, its hash included: estimated from tiles here and there.
    private func bytesOfEntry(from first: Int64, to size: Int64) throws -> Int64 {
        let (samples, width) = (Int64(16), Int64(Limits.tileWidth))
        var (bytes, entries) = (Int64(0), Int64(0))
        for sample in 0..<samples {
            let start = first + (size - first) / samples * sample
            try database.forEachRow(
                "SELECT coalesce(sum(length(bytes)), 0), count(*) FROM audit_leaves WHERE id >= ? AND id < ?",
                [.integer(start), .integer(start + width)]
            ) { row in
                bytes += row.integer(0)
                entries += row.integer(1)
                return true
            }
        }
        return entries == 0 ? 0 : bytes / entries + Self.overheadOfEntry
    }

    /// The hash of an entry, its index, and their lengths.
    private static let overheadOfEntry: Int64 = 48
}

// MARK: - What is covered

extension Database {
    /// Entries of the log that are kept, or vouched for, outside: up to what every anchor was told; where there is no anchor,
    /// up to what was exported as tiles. Entries that a webhook was not told of do not count.
    ///
    /// - Parameter keyring: nil believes what is stored of exports.
    /// - Returns: nil where there is neither anchor nor export.
    package func coveredEntries(_ keyring: Keyring?) throws -> Int64? {
        let told = try integer(
            "SELECT min(coalesce(p.size, 0)) FROM anchors a LEFT JOIN anchor_progress p ON p.id = a.id")
        guard let covered = try told ?? exportedEntries(keyring) else { return nil }
        return min(covered, try integer("SELECT min(position) FROM webhook_cursors") ?? covered)
    }

    /// How far the log was exported as tiles, as the vault's keys vouch for.
    fileprivate func exportedEntries(_ keyring: Keyring?) throws -> Int64? {
        let stored = try rows("SELECT progress FROM jobs WHERE kind = ?", [ExportRecord.kind]) { $0.text(0) }
        guard let parts = stored.first?.split(separator: " "), parts.count == 2, let size = Int64(parts[0])
        else { return nil }
        guard let keyring else { return size }
        let tags = keyring.rows.common.tags(.exportedLog, of: ExportRecord.bytes(size))
        return Hex.decode(String(parts[1])).flatMap { tag in
            tags.contains { ConstantTime.equal($0, tag) } ? size : nil
        }
    }
}

/// The row of `jobs` that says how far the log was exported: its size, and a tag over that.
private enum ExportRecord {
    static let kind = SQLValue.text("audit-export")

    static func bytes(_ size: Int64) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(bigEndian: size)
        return bytes
    }
}

extension VaultLog {
    /// Remembers that the log was exported. What could not be remembered is so by the next export.
    func noteExport(of size: Int64) async {
        do {
            try await vault.housekeep { transaction in
                let keyring = transaction.keyring
                guard try transaction.database.exportedEntries(keyring) ?? 0 < size else { return }
                let tag = keyring.rows.common.tag(.exportedLog, of: ExportRecord.bytes(size))
                transaction.put(RowWrite("DELETE FROM jobs WHERE kind = ?", [ExportRecord.kind]))
                transaction.put(
                    RowWrite(
                        "INSERT INTO jobs (kind, state, progress) VALUES (?, 'done', ?)",
                        [ExportRecord.kind, .text("\(size) \(Hex.encode(tag))")]))
            }
        } catch {
            vault.logger.warning("The export could not be recorded.", metadata: ["error": "\(error)"])
        }
    }
}
