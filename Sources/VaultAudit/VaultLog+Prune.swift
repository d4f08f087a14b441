import TokenVault
public import VaultCore
import VaultStore

/// How much of the log is kept.
public enum AuditRetention: Sendable, Equatable {
    /// Entries of this time or later.
    case since(VaultInstant)
    /// This number of the newest entries.
    case newest(Int64)
}

/// What pruning would remove: whole tiles of 256 entries from the beginning of the log.
public struct PrunePlan: Sendable, Equatable {
    /// The number of entries of the log now.
    public let size: Int64
    /// The first entry whose bytes are there now, and the first that would be kept.
    public let firstKept: Int64
    public private(set) var newFirstKept: Int64
    /// The number of live rows whose last entry would go; new entries name them first.
    public private(set) var rows = 0
    /// Pieces of personal data that would go with their entries.
    public private(set) var personalRecords = 0

    /// Entries whose bytes would go.
    public var entries: Int64 { max(0, newFirstKept - firstKept) }

    /// A plan that removes less; nil unless `first` begins a tile between the two.
    public func limited(to first: Int64) -> PrunePlan? {
        guard (firstKept...newFirstKept).contains(first), first.isMultiple(of: Int64(Limits.tileWidth)) else {
            return nil
        }
        var plan = self
        plan.newFirstKept = first
        return plan
    }
}

extension VaultLog {
    /// Returns what pruning would do, and changes nothing.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` for a negative number of entries.
    public func planPrune(keeping retention: AuditRetention) async throws -> PrunePlan {
        let now = vault.clock.now()
        return try await BlockingThread.result {
            try vault.store.withOwnReader { database in
                let size = try LogHead.read(database).size
                let firstKept = try StoredLog(database).firstKept(size)
                let bound: Int64
                switch retention {
                case .newest(let count):
                    guard count >= 0 else {
                        throw VaultError(.invalidInput, "The number of entries to keep is negative.")
                    }
                    bound = max(0, size - count)
                case .since(let time):
                    bound = try StoredLog(database).firstIndex(since: time, now, from: firstKept, to: size)
                }
                let first = max(firstKept, bound / Int64(Limits.tileWidth) * Int64(Limits.tileWidth))
                return PrunePlan(
                    size: size, firstKept: firstKept, newFirstKept: first,
                    rows: try TableLayout.tagged.reduce(0) { $0 + (try $1.count(before: first, database)) },
                    personalRecords: try database.firstRow(
                        "SELECT count(*) FROM audit_personal WHERE id < ?", [.integer(first)]
                    ) { Int($0.integer(0)) } ?? 0)
            }
        }
    }
}

extension TableLayout {
    /// Rows whose last leaf lies before `first`.
    fileprivate func count(before first: Int64, _ database: Database) throws -> Int {
        try database.firstRow("SELECT count(*) FROM \(name) WHERE leaf < ?", [.integer(first)]) {
            Int($0.integer(0))
        } ?? 0
    }
}

extension VaultLog {
    /// Removes the entries that a plan names, and the personal data that belongs to them.
    ///
    /// 1. Live rows whose last entry would go are named again, 24 to an entry (`audit.carry`), so that the state still
    ///    equals the log.
    /// 2. One entry announces the first index that is kept (`audit.prune`, in `count`).
    /// 3. Only then bytes are deleted, a few tiles to a transaction. The subtree hash of each tile stays, and with it
    ///    every proof about what is kept.
    ///
    /// The whole log is verified before: what is damaged must not be made to look as if it had been pruned. Live traffic goes on between the transactions. After a crash, or when cancelled, it is called again and goes on.
    ///
    /// - Parameter progress: called now and then with the share done, 0 to 1.
    /// - Returns: the first entry kept.
    /// - Throws: ``VaultError/Code/denied`` if a webhook has not received all entries that would go, or the
    ///   vault was opened for one role;
    ///   ``VaultError/Code/integrity`` for a damaged log.
    public func prune(
        _ plan: PrunePlan, progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> Int64 {
        let first = plan.newFirstKept
        guard first > plan.firstKept else { return plan.firstKept }
        // Rows that are named again are tagged again, those of every role.
        _ = try vault.keyring.root
        try await checkWebhooks(have: first)
        guard try await verify(progress: { progress($0 * 0.3) }).isIntact else {
            throw VaultError(
                .integrity, "The log or the database differs from what was written; nothing was removed.",
                remedy: "Verify the audit log.")
        }
        try await remove(plan, progress: progress) {}
        return first
    }

    /// - Parameter rest: called between two transactions.
    func remove(
        _ plan: PrunePlan, progress: @Sendable (Double) -> Void = { _ in }, rest: () async throws -> Void
    ) async throws {
        let first = plan.newFirstKept
        for layout in TableLayout.tagged { try await carryRows(of: layout, before: first, rest) }
        progress(0.6)
        try await vault.write { _ in
            var event = AuditEvent(.auditPrune, by: vault.operatorActor)
            event.count = Int(first)
            return Audited((), event)
        }
        var next = plan.firstKept
        while next < first {
            try Task.checkCancellation()
            next = min(first, next + Limits.prunedLeavesPerWrite)
            try await vault.housekeep { [next] transaction in
                for table in ["audit_personal", "audit_leaves"] {
                    transaction.put(RowWrite("DELETE FROM \(table) WHERE id < ?", [.integer(next)]))
                }
            }
            progress(0.6 + 0.4 * Double(next - plan.firstKept) / Double(plan.entries))
            if next < first { try await rest() }
        }
    }

    /// Webhooks are told from the log: what goes before they were told would never reach them.
    private func checkWebhooks(have first: Int64) async throws {
        let behind = try await vault.read { database in
            try database.firstRow("SELECT min(position) FROM webhook_cursors HAVING count(*) > 0") {
                $0.integer(0)
            }
        }
        guard let behind, behind < first else { return }
        throw VaultError(
            .denied, "A webhook has received the log only up to entry \(behind).",
            remedy:
                "Refresh the connections, which also posts webhooks; or remove the webhook, or keep more entries."
        )
    }

    /// Names the rows of a table again whose last leaf lies before `first`. The leaf of a row only ever rises,
    /// so one pass over a snapshot meets them all.
    private func carryRows(
        of layout: TableLayout, before first: Int64, _ rest: () async throws -> Void
    ) async throws {
        var last = Int64.min
        while true {
            try Task.checkCancellation()
            let ids = try await vault.scan { [last] database, _ in
                try database.ids(
                    layout.name, after: last, where: "leaf < ?", [.integer(first)], limit: Self.carriedAtOnce)
            }
            guard let highest = ids.last else { return }
            last = highest
            try await withThrowingTaskGroup(of: Void.self) { group in
                for start in stride(from: 0, to: ids.count, by: Limits.rowsPerLeaf) {
                    let some = Array(ids[start..<min(ids.count, start + Limits.rowsPerLeaf)])
                    group.addTask { try await self.carry(some, of: layout, before: first) }
                }
                try await group.waitForAll()
            }
            try await rest()
        }
    }

    private func carry(_ ids: [Int64], of layout: TableLayout, before first: Int64) async throws {
        try await vault.queue.submit(.newWork) { transaction in
            var carried = false
            for id in ids {
                // Gone, or named by a later leaf meanwhile.
                guard let row = try transaction.stored(layout, id), row.leaf < first else { continue }
                try transaction.carry(row)
                carried = true
            }
            guard carried else { return .unchanged(()) }
            return Audited((), AuditEvent(.auditCarry, by: vault.operatorActor.withoutDetails))
        }
    }

    /// Few enough that what waits behind them waits some tens of milliseconds.
    private static let carriedAtOnce = 8 * Limits.rowsPerLeaf
}
