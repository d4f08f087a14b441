import GRDB
import VaultCore

/// How many live grants end by themselves, and when: idle or absolute lifetime, whichever is over first.
public struct ExpiryHistogram: Sendable {
    /// Grants that end within `within`, and not within the bound before it.
    public struct Bucket: Sendable, Equatable {
        /// Nil: later than every bound.
        public let within: Duration?
        public let grants: Int64
    }

    /// In rising order; every bound is there.
    public let buckets: [Bucket]

    /// Live grants in all.
    public var total: Int64 { buckets.reduce(0) { $0 + $1.grants } }
}

extension ExpiryHistogram {
    /// An hour, a day, a week, 30 days, 90 days, a year.
    static let bounds: [Int64] = [1, 24, 7 * 24, 30 * 24, 90 * 24, 365 * 24].map { $0 * 3_600_000 }

    /// Reads every grant once.
    ///
    /// - Returns: beside the histogram, how many grants are kept: those that ended too.
    static func read(_ database: Database, now: VaultInstant) throws -> (ExpiryHistogram, kept: Int64) {
        let now = now.millisecondsSince1970
        let cases = bounds.enumerated().map { "WHEN ends <= \(now) + \($1) THEN \($0)" }.joined(
            separator: " ")
        var counts = [Int64](repeating: 0, count: bounds.count + 1)
        var kept: Int64 = 0
        try database.forEachRow(
            """
            SELECT CASE WHEN state <> 1 OR ends <= \(now) THEN -1 \(cases) ELSE \(bounds.count) END, count(*)
            FROM (SELECT state, min(idle_expires_at, absolute_expires_at) AS ends FROM grants) GROUP BY 1
            """
        ) { row in
            kept += row.integer(1)
            if row.integer(0) >= 0 { counts[Int(row.integer(0))] += row.integer(1) }
            return true
        }
        let limits = bounds.map { Duration.milliseconds($0) as Duration? } + [nil]
        return (ExpiryHistogram(buckets: zip(limits, counts).map { Bucket(within: $0, grants: $1) }), kept)
    }
}
