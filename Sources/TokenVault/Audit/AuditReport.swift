/// What `audit verify` found.
public struct AuditReport: Sendable {
    /// Entries in the log.
    public internal(set) var size: Int64 = 0
    /// Root of the tree over them, 64 hexadecimal digits: recomputed, not read.
    public internal(set) var root = ""
    /// Rows compared with the leaves that name them.
    public internal(set) var rows = 0
    /// Nothing: the log is intact and the database is what it says.
    ///
    /// At most ``limit`` are kept.
    public internal(set) var findings: [AuditFinding] = []
    /// How many there were beyond those kept.
    public internal(set) var furtherFindings = 0
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
}

/// One thing that is not as it was written.
public struct AuditFinding: Sendable, Codable, Equatable {
    /// Where it is, as `entry 17`, `grants 42` or `head`.
    public let place: String
    public let problem: String
}
