/// What `audit verify` found.
public struct AuditReport: Sendable {
    /// Entries of the log, those counted that were pruned.
    public internal(set) var size: Int64 = 0
    /// Root of the tree over them, 64 hexadecimal digits: recomputed, not read.
    public internal(set) var root = ""
    /// The first entry whose bytes are kept: 0 unless the log was pruned.
    public internal(set) var firstKept: Int64 = 0
    /// Where the check began: 0 for the whole log, otherwise the size of the checkpoint it went on from.
    public internal(set) var since: Int64 = 0
    /// Rows compared with the leaves that name them.
    public internal(set) var rows = 0
    /// Of those, the ones that are what a proven entry says.
    public internal(set) var untouchedRows = 0
    /// Grants among the rows compared, and among the untouched ones.
    public internal(set) var grants = 0
    public internal(set) var untouchedGrants = 0
    /// The entries from ``firstKept`` to before this one are the ones that were signed.
    public internal(set) var provenSize: Int64 = 0
    /// The first entry that is not as it was written, as near as the hashes tell.
    public internal(set) var firstBadEntry: Int64?
    /// Grants whose row, or whose entry, is not as it was written; at most ``limit``, ascending.
    public internal(set) var affectedGrants: [Int64] = []
    public internal(set) var furtherAffectedGrants = 0
    /// Nothing: the log is intact and the database is what it says. At most ``limit`` are kept.
    public internal(set) var findings: [AuditFinding] = []
    /// How many there were beyond those kept.
    public internal(set) var furtherFindings = 0
    /// What is no damage, and worth knowing.
    public internal(set) var notes: [String] = []
    /// The signed note over the newest checkpoint.
    public internal(set) var checkpointNote = ""

    public static let limit = 100

    public var isIntact: Bool { findings.isEmpty }

    mutating func add(_ place: String, _ problem: String) {
        if findings.count < Self.limit {
            findings.append(AuditFinding(place: place, problem: problem))
        } else {
            furtherFindings += 1
        }
    }

    /// A finding about one entry.
    mutating func add(entry: Int64, _ problem: String) {
        add("entry \(entry)", problem)
        firstBadEntry = min(firstBadEntry ?? entry, entry)
    }
}

/// One thing that is not as it was written.
public struct AuditFinding: Sendable, Codable, Equatable {
    /// Where it is, as `entry 17`, `grants 42` or `head`.
    public let place: String
    public let problem: String
}
