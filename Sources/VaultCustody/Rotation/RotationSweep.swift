import Foundation
import TokenVault
import VaultAudit
import VaultCore
import VaultStore

/// Walks over the rows that still need work, oldest id first, in short transactions that let live traffic through.
///
/// The rows of one turn are handed to bodies of a few rows each, which share a commit. A turn after which the log grew by
/// more than our own entries was not alone: then turns are smaller, and the pause after each is three times as long as
/// the turn took, whichever process the others are.
struct RotationSweep: Sendable {
    let vault: Vault
    let table: String
    /// What its progress is called; nil: by the table.
    var phase: String?
    /// Of the rows that still need work, with the values that are bound in it.
    var condition = "true"
    var values: [SQLValue] = []
    /// Rows that one body writes.
    var rowsPerBody = Limits.rowsPerLeaf
    /// In the entry that names the rows; nil: their hashes stay, so none does.
    var reason: String?
    /// Nothing is done once another operator went on with it.
    var job: RotationJob?

    private static let bodiesAlone = 32
    private static let bodiesInCompany = 4

    /// - Parameter change: writes a row again; false where that is done already.
    /// - Returns: how many rows were written.
    func run(
        _ progress: KeyRotationObserver,
        _ change: @escaping @Sendable (WriteTransaction, Int64) throws -> Bool
    ) async throws -> Int64 {
        let total = try await vault.scan { database, _ in
            try database.rowCount(table, where: condition, values)
        }
        var cursor = Int64.min
        var (done, written): (Int64, Int64) = (0, 0)
        var isAlone = true
        var logSize = try await vault.auditSize()
        while true {
            try Task.checkCancellation()
            let ids = try await next(after: cursor, isAlone ? Self.bodiesAlone : Self.bodiesInCompany)
            guard let last = ids.last else { return written }
            let start = ContinuousClock.now
            let (count, events) = try await turn(ids, change)
            cursor = last
            written += Int64(count)
            done += Int64(ids.count)
            progress(KeyRotationProgress(phase: phase ?? table, done: done, total: max(done, total)))
            let size = try await vault.auditSize()
            isAlone = size - logSize <= Int64(events)
            logSize = size
            if !isAlone { try await Task.sleep(for: (ContinuousClock.now - start) * 3) }
        }
    }

    private func next(after cursor: Int64, _ bodies: Int) async throws -> [Int64] {
        try await vault.scan { database, _ in
            try database.ids(table, after: cursor, where: condition, values, limit: bodies * rowsPerBody)
        }
    }

    private func turn(
        _ ids: [Int64], _ change: @escaping @Sendable (WriteTransaction, Int64) throws -> Bool
    ) async throws -> (rows: Int, events: Int) {
        try await withThrowingTaskGroup(of: (Int, Int).self) { group in
            for start in stride(from: 0, to: ids.count, by: rowsPerBody) {
                let part = Array(ids[start..<min(start + rowsPerBody, ids.count)])
                group.addTask {
                    try await Self.patiently {
                        try await vault.queue.submit(.finishing) { try write(part, $0, change) }
                    }
                }
            }
            return try await group.reduce((0, 0)) { ($0.0 + $1.0, $0.1 + $1.1) }
        }
    }

    private func write(
        _ ids: [Int64], _ transaction: WriteTransaction, _ change: (WriteTransaction, Int64) throws -> Bool
    ) throws -> Audited<(rows: Int, events: Int)> {
        guard try job.map(transaction.isStill) ?? true else { return .unchanged((0, 0)) }
        let count = try ids.filter { try change(transaction, $0) }.count
        guard count > 0 else { return .unchanged((0, 0)) }
        guard let reason else { return .upkeep((count, 0)) }
        let event = AuditEvent(
            .keyRewrap, by: vault.operatorActor.withoutDetails, reason: reason, count: count)
        return Audited((count, 1), event)
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

/// The progress of a rotation.
public struct KeyRotationProgress: Sendable {
    /// What is done now: `owners`, `proof`, or the name of a table.
    public let phase: String
    /// The number of `total` that are done in this phase.
    public let done: Int64
    public let total: Int64
}

/// The result of a rotation.
public struct KeyRotationReport: Sendable {
    /// `root`, `issuer`, `keeper`, `custody`, `deep`, `handles`, `tags`, `lookup`, `rows` or `log`.
    public let kind: String
    /// Epoch of the root key after the rotation.
    public let epoch: Int64
    /// The number of owners, records or rows that this call wrote again.
    public internal(set) var rewritten: Int64 = 0
    /// Whether an interrupted rotation was resumed and finished.
    public internal(set) var isResumed = false
}

extension KeyRotationReport {
    init(_ kind: String, _ keyring: Keyring, isResumed: Bool = false) {
        self.init(kind: kind, epoch: Int64(keyring.epoch), isResumed: isResumed)
    }
}

/// The function that a rotation calls with its progress.
public typealias KeyRotationObserver = @Sendable (KeyRotationProgress) -> Void

/// The row of `jobs` by which a rotation that was interrupted is found again. Every step of a rotation may
/// run twice, and by two operators at once: the row says only where to go on.
struct RotationJob: Codable, Equatable, Sendable {
    let kind: String
    /// The step that is not finished yet.
    var step: Int
    /// Owners that came later have new keys anyhow.
    var lastOwner: Int64?
    /// Tells it from the next job of its kind: the root key's epoch, or the id of the key that it leads to.
    var number: Int64?
}

extension Database {
    /// The job of a kind that is running.
    func rotationJob(_ kind: String) throws -> RotationJob? {
        let found = try rows(
            "SELECT progress FROM jobs WHERE kind = ? AND state = 'running'", [.text("rotate-" + kind)]
        ) { $0.text(0) }
        guard let text = found.first else { return nil }
        guard text.utf8.count < 4096,
            let job = try? JSONDecoder().decode(RotationJob.self, from: Data(text.utf8))
        else {
            throw VaultError(
                .integrity, "The record of an interrupted rotation cannot be read.",
                remedy: "Restore a backup, or ask for help: the old and the new keys still exist.")
        }
        return job
    }
}

extension WriteTransaction {
    /// Whether the job is where the caller knows it to be: another operator may have gone on with it, ended it, and begun
    /// the next, whose keys must not be compared with what was proved of this one.
    func isStill(_ job: RotationJob) throws -> Bool { try database.rotationJob(job.kind) == job }

    /// Writes where the job stands, or that it is over.
    func keep(_ job: RotationJob, isOver: Bool = false) throws {
        let kind = SQLValue.text("rotate-" + job.kind)
        put(RowWrite("DELETE FROM jobs WHERE kind = ?", [kind]))
        guard !isOver else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(job), as: UTF8.self)
        put(
            RowWrite(
                "INSERT INTO jobs (kind, state, progress) VALUES (?, 'running', ?)", [kind, .text(text)]))
    }
}
