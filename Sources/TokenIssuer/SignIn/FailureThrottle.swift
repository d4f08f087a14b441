package import Logging
import Synchronization
package import VaultCore

/// Slows down guesses at secrets: after some failures each further one doubles a wait, and further guesses are refused
/// until it is over.
///
/// Counted per subject (a client, a user name) *and* address: guesses at one subject slow no other down, and the
/// subject itself goes on working from elsewhere. What is waited out counts no further.
///
/// Where the check is slow, many guesses could start before the first has failed: there call ``failed(_:from:)``
/// before the check and ``succeeded(_:from:)`` after it.
package final class FailureThrottle: Sendable {
    /// How fast it bites and how much it remembers.
    package struct Rules: Sendable {
        /// Failures that cost no wait but the last: people and deployments make mistakes.
        package var allowance = 10
        package var firstWait = Duration.seconds(1)
        /// Anyone who repaired a configuration does not wait longer than this.
        package var longestWait = Duration.seconds(300)
        /// Failures are forgotten when none was added for this long.
        package var memory = Duration.seconds(3600)
        /// Pairs of subject and address that are remembered, in all.
        package var capacity = 10_000

        package init() {}
    }

    fileprivate struct Pair: Hashable {
        let subject: String
        let address: String
    }

    fileprivate struct Record {
        var failures = 0
        var last: Duration
        var waitsUntil: Duration
    }

    /// Two halves: when the recent one is full, the older one is dropped, except names that must wait.
    fileprivate struct Memory {
        var recent: [Pair: Record] = [:]
        var older: [Pair: Record] = [:]
    }

    private let rules: Rules
    private let clock: any VaultClock
    private let memory = Mutex(Memory())
    private let hasFailures = Atomic(false)

    package init(_ rules: Rules = Rules(), clock: any VaultClock) {
        self.rules = rules
        self.clock = clock
    }

    /// False: nothing failed yet, and there is nothing to ask, so that a server where nothing fails takes no lock.
    package var isUsed: Bool { hasFailures.load(ordering: .relaxed) }

    /// How long this subject has to wait at this address; nil: not at all.
    package func wait(for subject: String, from address: String) -> Duration? {
        guard isUsed else { return nil }
        let now = clock.monotonic()
        let record = memory.withLock { $0.record(Self.pair(subject, address)) }
        guard let record, record.waitsUntil > now else { return nil }
        return record.waitsUntil - now
    }

    /// Counts a failure.
    package func failed(_ subject: String, from address: String) {
        hasFailures.store(true, ordering: .relaxed)
        let now = clock.monotonic()
        let pair = Self.pair(subject, address)
        memory.withLock { memory in
            var record = memory.record(pair) ?? Record(last: now, waitsUntil: now)
            if now - record.last > rules.memory { record.failures = 0 }
            record.failures += 1
            record.last = now
            let doublings = record.failures - rules.allowance
            if doublings >= 0 {
                record.waitsUntil = now + min(rules.firstWait * (1 << min(doublings, 20)), rules.longestWait)
            }
            memory.older[pair] = nil
            memory.recent[pair] = record
            if memory.recent.count >= rules.capacity / 2 {
                memory.turnOver(keeping: rules.capacity / 4) { $0.waitsUntil > now }
            }
        }
    }

    /// Forgets the failures.
    package func succeeded(_ subject: String, from address: String) {
        guard isUsed else { return }
        let pair = Self.pair(subject, address)
        memory.withLock { memory in
            memory.recent[pair] = nil
            memory.older[pair] = nil
        }
    }

    /// Pairs that are remembered now.
    package var count: Int { memory.withLock { $0.recent.count + $0.older.count } }

    /// Names that are too long to be real share one place, so that no stranger chooses how much is kept.
    private static func pair(_ subject: String, _ address: String) -> Pair {
        Pair(subject: subject.utf8.count <= Limits.nameBytes ? subject : "", address: address)
    }
}

extension FailureThrottle.Memory {
    func record(_ pair: FailureThrottle.Pair) -> FailureThrottle.Record? {
        recent[pair] ?? older[pair]
    }

    /// A flood of new names must not make it forget who is made to wait: those stay, as many as there is room for.
    mutating func turnOver(keeping most: Int, where waits: (FailureThrottle.Record) -> Bool) {
        var kept: [FailureThrottle.Pair: FailureThrottle.Record] = [:]
        for (pair, record) in older where waits(record) && kept.count < most { kept[pair] = record }
        older = recent
        recent = kept
    }
}

/// Tells the operator, once for each finding, that users or clients cannot be told apart by their addresses.
package final class SharedAddressNotice: Sendable {
    package enum Finding: String, Sendable {
        case noAddress =
            "Requests name no client in X-Forwarded-For or Forwarded, though trusted-proxy is set."
        case contradiction = "X-Forwarded-For and Forwarded of a request do not name the same client."
        case crowd = "Many users sign in from one private address, which seems to be a proxy's."

        var remedy: String {
            switch self {
            case .noAddress: "Let the proxy write one of the two."
            case .contradiction: "Let the proxy write one of the two and remove the other."
            case .crowd: "Let the proxy write X-Forwarded-For, and set trusted-proxy."
            }
        }
    }

    private let logger: Logger
    private let given = Mutex<Set<Finding>>([])

    package init(_ logger: Logger) { self.logger = logger }

    package func give(_ finding: Finding) {
        guard given.withLock({ $0.insert(finding).inserted }) else { return }
        logger.warning("\(finding.rawValue) \(finding.remedy)")
    }
}
