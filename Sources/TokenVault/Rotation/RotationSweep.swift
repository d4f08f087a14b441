import GRDB
import VaultCore

/// Walks over the rows that still need work, oldest id first, in short transactions that let live traffic through.
///
/// The rows of one turn are handed to bodies of a few rows each, which share a commit. A turn after which the log grew by
/// more than our own entries was not alone: then turns are smaller, and the pause after each is three times as long as
/// the turn took, whichever process the others are.
struct RotationSweep {
    let vault: Vault
    /// `SELECT id FROM … WHERE id > ? AND … ORDER BY id LIMIT ?`, which gives the ids that still need work.
    /// Further values are bound in between.
    let query: String
    var values: [SQLValue] = []
    /// Rows that one body writes.
    var rowsPerBody = Limits.rowsPerLeaf

    private static let bodiesAlone = 32
    private static let bodiesInCompany = 4

    /// - Parameter body: gets ids, and says how many of them it wrote and the events that name these rows.
    /// - Returns: how many rows were written.
    func run(
        _ body: @escaping @Sendable (WriteTransaction, [Int64]) throws -> (Int, [AuditEvent]),
        progress: (Int64) -> Void
    ) async throws -> Int64 {
        var cursor = Int64.min
        var written: Int64 = 0
        var isAlone = true
        var logSize = try vault.auditSize()
        while true {
            try Task.checkCancellation()
            let ids = try next(after: cursor, isAlone ? Self.bodiesAlone : Self.bodiesInCompany)
            guard let last = ids.last else { return written }
            let start = ContinuousClock.now
            let (count, events) = try await turn(ids, body)
            cursor = last
            written += Int64(count)
            progress(Int64(ids.count))
            let size = try vault.auditSize()
            isAlone = size - logSize <= Int64(events)
            logSize = size
            if !isAlone { try await Task.sleep(for: (ContinuousClock.now - start) * 3) }
        }
    }

    private func next(after cursor: Int64, _ bodies: Int) throws -> [Int64] {
        try vault.store.readers().read { database in
            var ids: [Int64] = []
            try database.forEachRow(
                query, [.integer(cursor)] + values + [.integer(Int64(bodies * rowsPerBody))]
            ) {
                ids.append($0.integer(0))
                return true
            }
            return ids
        }
    }

    private func turn(
        _ ids: [Int64], _ body: @escaping @Sendable (WriteTransaction, [Int64]) throws -> (Int, [AuditEvent])
    ) async throws -> (rows: Int, events: Int) {
        try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for start in stride(from: 0, to: ids.count, by: rowsPerBody) {
                let part = Array(ids[start..<min(start + rowsPerBody, ids.count)])
                group.addTask { [queue = vault.queue] in
                    try await Self.patiently {
                        try await queue.submit(.finishing) { transaction in
                            let (count, events) = try body(transaction, part)
                            return ((count, events.count), events)
                        }
                    }
                }
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
    }

    /// Long work waits where a request would be refused for want of a turn.
    static func patiently<Result: Sendable>(
        _ work: @Sendable () async throws -> Result
    ) async throws -> Result {
        for attempt in 1... {
            do { return try await work() } catch let error as VaultError
                where (error.code == .busy || error.code == .unavailable) && attempt < 30
            {
                try await Task.sleep(for: .milliseconds(100 * min(attempt, 10)))
            }
        }
        preconditionFailure("the loop above ends by returning or throwing")
    }
}
