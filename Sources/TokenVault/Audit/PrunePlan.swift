import GRDB
public import VaultCore

/// How much of the log is kept.
public enum AuditRetention: Sendable, Equatable {
    /// What was written at this time or later.
    case since(VaultInstant)
    /// The newest so many entries.
    case newest(Int64)
}

/// What pruning would remove: whole tiles of 256 entries from the beginning of the log.
public struct PrunePlan: Sendable, Equatable {
    /// Entries of the log now.
    public let size: Int64
    /// The first entry whose bytes are there now, and the first that would be kept.
    public let firstKept: Int64
    public private(set) var newFirstKept: Int64
    /// Live rows whose last entry would go: each is named anew before.
    public let rows: Int
    /// Pieces of personal data that would go with their entries.
    public let personalRecords: Int

    /// Entries whose bytes would go.
    public var entries: Int64 { max(0, newFirstKept - firstKept) }

    /// The same, removing less; nil unless `first` begins a tile between the two.
    public func limited(to first: Int64) -> PrunePlan? {
        guard (firstKept...newFirstKept).contains(first), first.isMultiple(of: Int64(Limits.tileWidth)) else {
            return nil
        }
        var plan = self
        plan.newFirstKept = first
        return plan
    }
}

extension Vault {
    /// Says what pruning would do, and changes nothing.
    ///
    /// - Throws: ``VaultError/Code/invalidInput`` for a negative number of entries.
    public func planPrune(keeping retention: AuditRetention) async throws -> PrunePlan {
        try await BlockingThread.result { [store] in
            try store.withOwnReader { database in
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
                    bound = try StoredLog(database).firstIndex(at: time, from: firstKept, to: size)
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
