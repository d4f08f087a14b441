import Metrics
import Synchronization
import TokenRotation
package import VaultCore
import VaultStore

/// Counts of the write path, for tests, benchmarks and metrics.
public final class CommitStatistics: Sendable {
    private let commitCount = Atomic<Int>(0)
    private let bodyCount = Atomic<Int>(0)
    private let repeatedCount = Atomic<Int>(0)
    private let figures = Mutex(Figures())
    private let instruments: Instruments?

    /// Further figures for the program that embeds the vault.
    ///
    /// | metric | kind |
    /// |---|---|
    /// | `tokenvault_vault_commits_total` | counter: transactions |
    /// | `tokenvault_vault_writes_total` | counter: writes in them |
    /// | `tokenvault_vault_commit_seconds` | timer: from BEGIN to COMMIT |
    private struct Instruments: Sendable {
        let commits: Counter
        let writes: Counter
        let times: Metrics.Timer

        init(_ factory: any MetricsFactory) {
            commits = Counter(label: "tokenvault_vault_commits_total", factory: factory)
            writes = Counter(label: "tokenvault_vault_writes_total", factory: factory)
            times = Timer(label: "tokenvault_vault_commit_seconds", factory: factory)
        }
    }

    /// Transactions committed by this process.
    public var commits: Int { commitCount.load(ordering: .relaxed) }
    /// The writes in these transactions.
    public var bodies: Int { bodyCount.load(ordering: .relaxed) }

    /// Batches that failed and were run once more, each body by itself: a row that could not be written, or a body that
    /// asked about what it had written.
    package var repeated: Int { repeatedCount.load(ordering: .relaxed) }

    /// What is kept beside the counts.
    package struct Figures: Sendable {
        /// Bodies in one transaction.
        package var batchSizes = Histogram([1, 2, 4, 8, 16, 32, 64, 128, 256])
        /// From BEGIN to COMMIT, the wait for another process's commit not counted.
        package var commitTimes = Histogram.seconds
        /// From a code or refresh token being looked at to its answer being durable, an id_token signed too.
        package var exchangeTimes = Histogram.seconds
        /// How exchanges ended: `issued`, `replayed`, or the reason they were refused.
        package var exchanges: [String: Int] = [:]
        /// Entries of the audit log, as of our last commit.
        package var logSize: Int64?
        /// When the last transaction was committed.
        package var lastCommit: ContinuousClock.Instant?
    }

    /// - Parameter factory: nil: what the program has set up, and if that is nothing, nothing is done for it.
    init(_ factory: (any MetricsFactory)?) {
        let factory = factory ?? MetricsSystem.factory
        instruments = factory is NOOPMetricsHandler ? nil : Instruments(factory)
    }

    /// What has come together until now.
    package var current: Figures { figures.withLock { $0 } }

    func committed(_ bodies: Int, logSize: Int64?, since start: ContinuousClock.Instant) {
        commitCount.wrappingAdd(1, ordering: .relaxed)
        bodyCount.wrappingAdd(bodies, ordering: .relaxed)
        let end = ContinuousClock.now
        figures.withLock { figures in
            figures.batchSizes.record(Double(bodies))
            figures.commitTimes.record(start.duration(to: end).inSeconds)
            figures.lastCommit = end
            if let logSize { figures.logSize = logSize }
        }
        guard let instruments else { return }
        instruments.commits.increment()
        instruments.writes.increment(by: bodies)
        instruments.times.record(duration: start.duration(to: end))
    }

    func batchIsRepeated() { repeatedCount.wrappingAdd(1, ordering: .relaxed) }

    /// Counts an exchange that ended in one way or another.
    package func exchanged(_ result: ExchangeResult, since start: ContinuousClock.Instant) {
        let time = start.duration(to: .now).inSeconds
        let name = result.name
        figures.withLock { figures in
            figures.exchangeTimes.record(time)
            figures.exchanges[name, default: 0] += 1
        }
    }
}

extension ExchangeResult {
    fileprivate var name: String {
        switch self {
        case .issued: "issued"
        case .replayed: "replayed"
        case .refused(let reason): reason.rawValue
        case .databaseIsBehind: "database_is_behind"
        }
    }
}
