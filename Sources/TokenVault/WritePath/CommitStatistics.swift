import Synchronization

/// Counts of the write path, for tests, benchmarks and metrics.
public final class CommitStatistics: Sendable {
    private let commitCount = Atomic<Int>(0)
    private let bodyCount = Atomic<Int>(0)

    /// Transactions committed by this process.
    public var commits: Int { commitCount.load(ordering: .relaxed) }
    /// Bodies in them.
    public var bodies: Int { bodyCount.load(ordering: .relaxed) }

    init() {}

    func committed(_ bodies: Int) {
        commitCount.wrappingAdd(1, ordering: .relaxed)
        bodyCount.wrappingAdd(bodies, ordering: .relaxed)
    }
}
