import Foundation
import GRDB
import VaultCore

/// How far a rotation is.
public struct KeyRotationProgress: Sendable {
    /// What is done now: `owners`, `proof`, or the name of a table.
    public let phase: String
    /// Of `total`, in this phase.
    public let done: Int64
    public let total: Int64
}

/// What a rotation did.
public struct KeyRotationReport: Sendable {
    /// `root`, `deep`, `handles`, `tags`, `lookup`, `rows` or `log`.
    public let kind: String
    /// Of the root key, afterwards.
    public let epoch: Int64
    /// Owners, records or rows that were written anew, by this call.
    public internal(set) var rewritten: Int64 = 0
    /// A rotation that was interrupted was taken up and finished.
    public internal(set) var isResumed = false
}

/// Where rotations tell how far they are.
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
        let text = try firstRow(
            "SELECT progress FROM jobs WHERE kind = ? AND state = 'running'", [.text("rotate-" + kind)]
        ) { row -> String? in
            if case .text(let text) = row.value(0) { text } else { nil }
        }
        guard let text = text ?? nil else { return nil }
        guard text.utf8.count < 4096,
            let job = try? JSONDecoder().decode(RotationJob.self, from: Data(text.utf8))
        else {
            throw VaultError(
                .integrity, "The record of a rotation that was interrupted cannot be read.",
                remedy: "Restore a backup, or ask for help: keys of both ages are still there.")
        }
        return job
    }
}

extension WriteTransaction {
    /// Whether the job is where the caller knows it to be: another operator may have gone on with it, ended it, and begun
    /// the next, whose keys must not be judged by what was proved of this one.
    func isStill(_ job: RotationJob) throws -> Bool { try database.rotationJob(job.kind) == job }

    /// Writes where the job stands, or that it is over.
    func keep(_ job: RotationJob, isOver: Bool = false) throws {
        let kind = SQLValue.text("rotate-" + job.kind)
        try database.run("DELETE FROM jobs WHERE kind = ?", [kind])
        noteUnloggedChange()
        guard !isOver else { return }
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        let text = String(decoding: try encoder.encode(job), as: UTF8.self)
        try database.run(
            "INSERT INTO jobs (kind, state, progress) VALUES (?, 'running', ?)", [kind, .text(text)])
    }
}
