public import TokenVault
public import VaultAudit
public import VaultCore
import VaultStore

/// A summary of the log in a period: exchanges by outcome over time, alarms, events of keys, and totals.
public struct AuditDigest: Sendable {
    /// Entries that are kept of alarms and of key events each, the newest; more are counted.
    public static let listed = 200
    /// Columns of the timeline at most.
    public static let columns: Int64 = 96

    /// Exchanges of one span of time.
    public struct Column: Sendable, Equatable {
        public let from: VaultInstant
        public internal(set) var answered: Int64 = 0
        /// Retries that got the same answer again.
        public internal(set) var replayed: Int64 = 0
        public internal(set) var refused: Int64 = 0
        /// Refused for reuse, and the grant revoked.
        public internal(set) var revoked: Int64 = 0

        public var total: Int64 { answered + replayed + refused + revoked }

        /// A column without exchanges.
        public init(from: VaultInstant) { self.from = from }

        /// Counts the exchanges of another column, too.
        public mutating func add(_ other: Self) {
            answered += other.answered
            replayed += other.replayed
            refused += other.refused
            revoked += other.revoked
        }

        fileprivate mutating func count(_ entry: AuditEntry) {
            switch AuditOutcome(rawValue: entry.outcome) {
            case .succeeded: answered += 1
            case .replayed: replayed += 1
            case .revoked: revoked += 1
            case .refused, nil: refused += entry.refusedExchanges
            }
        }
    }

    /// The newest of some kind of entries, oldest first.
    public struct Selection: Sendable {
        public internal(set) var entries: [AuditEntry] = []
        /// Earlier ones that are not kept.
        public internal(set) var earlier = 0

        mutating func add(_ entry: AuditEntry) {
            entries.append(entry)
            // In strides: to drop the first of an array moves all others.
            if entries.count >= 2 * AuditDigest.listed { trim() }
        }

        mutating func addActors(_ database: Database, _ keyring: Keyring, _ registry: Registry) {
            for index in entries.indices { entries[index].addActor(database, keyring, registry) }
        }

        mutating func trim() {
            let surplus = max(0, entries.count - AuditDigest.listed)
            entries.removeFirst(surplus)
            earlier += surplus
        }
    }

    /// The first entry of the period, and how many there are in it.
    public internal(set) var firstEntry: Int64 = 0
    public internal(set) var entries: Int64 = 0
    /// The earliest and the latest time of an entry; nil where the period is empty.
    public internal(set) var span: (from: VaultInstant, to: VaultInstant)?
    /// Without gaps, oldest first; all of ``columnWidth``: a second to a year.
    public internal(set) var timeline: [Column] = []
    public internal(set) var columnWidth = Duration.seconds(60)
    /// Reuse of what was spent, credentials of others, a database older than its tokens.
    public internal(set) var alarms = Selection()
    /// What was done to the vault's keys, slots, log and backups, and secrets that were shown.
    public internal(set) var keyEvents = Selection()
    /// Entries by operation and outcome.
    public internal(set) var totals: [(operation: String, outcome: String, count: Int64)] = []
}

extension VaultLog {
    /// Reads the kept entries of a period once and summarizes them. One snapshot on a connection of its own;
    /// memory does not grow with the log.
    ///
    /// - Parameters:
    ///   - from: the first moment that counts; nil: the beginning.
    ///   - to: the first moment that counts no more; nil: the end.
    ///   - progress: called now and then with the share done, 0 to 1.
    /// - Throws: ``VaultError/Code/integrity`` when an entry cannot be read.
    public func digest(
        from: VaultInstant? = nil, to: VaultInstant? = nil,
        progress: @escaping @Sendable (Double) -> Void = { _ in }
    ) async throws -> AuditDigest {
        try await vault.study { database, keys in
            let log = StoredLog(database)
            let size = try LogHead.read(database).size
            let kept = try log.firstKept(size)
            let first = try from.map { try log.firstIndex(at: $0, from: kept, to: size) } ?? kept
            let earliest = from?.millisecondsSince1970 ?? .min
            let times = earliest..<max(earliest, to?.millisecondsSince1970 ?? .max)
            var digest = try AuditDigest(log, first..<size, times, progress)
            digest.alarms.addActors(database, keys.keyring, vault.registry)
            digest.keyEvents.addActors(database, keys.keyring, vault.registry)
            return digest
        }
    }
}

extension AuditDigest {
    /// - Parameter times: of the wall clock, in milliseconds; entries need not be in its order.
    fileprivate init(
        _ log: StoredLog, _ range: Range<Int64>, _ times: Range<Int64>, _ progress: (Double) -> Void
    ) throws {
        var (earliest, latest) = (Int64.max, Int64.min)
        try log.forEachLeaf(in: range) { leaf, _ in
            guard times.contains(leaf.wall) else { return true }
            if earliest == .max { firstEntry = leaf.index }
            (earliest, latest) = (min(earliest, leaf.wall), max(latest, leaf.wall))
            return true
        }
        guard earliest <= latest else { return }
        let span = (
            from: VaultInstant(millisecondsSince1970: earliest),
            to: VaultInstant(millisecondsSince1970: latest)
        )
        self.span = span
        lay(out: span)
        let start = timeline.first?.from.millisecondsSince1970 ?? 0
        let width = columnWidth.milliseconds
        var counts: [[String]: Int64] = [:]
        try log.forEachLeaf(in: range) { leaf, bytes in
            guard times.contains(leaf.wall) else { return true }
            let entry = leaf.entry(of: bytes)
            entries += 1
            counts[[entry.operation, entry.outcome], default: 0] += 1
            if entry.isAlarm { alarms.add(entry) }
            if entry.isKeyEvent { keyEvents.add(entry) }
            if entry.isExchange {
                let column = Int((entry.wall.millisecondsSince1970 - start) / width)
                timeline[max(0, min(column, timeline.count - 1))].count(entry)
            }
            if entry.index.isMultiple(of: 4096) {
                progress(Double(entry.index - range.lowerBound) / Double(range.count))
            }
            return true
        }
        alarms.trim()
        keyEvents.trim()
        totals = counts.map { ($0[0], $0[1], $1) }.sorted { ($0.0, $0.1) < ($1.0, $1.1) }
    }

    /// Columns of the narrowest round width of which few enough cover the span.
    private mutating func lay(out span: (from: VaultInstant, to: VaultInstant)) {
        let minutes: [Int64] = [1, 5, 15, 60, 180, 360, 720, 1440, 7 * 1440, 30 * 1440, 365 * 1440]
        let (from, to) = (span.from.millisecondsSince1970, span.to.millisecondsSince1970)
        var width: Int64 = 1000
        for second in [1, 5, 15] + minutes.map({ $0 * 60 }) {
            width = second * 1000
            if to / width - from / width < Self.columns { break }
        }
        // A clock that was wrong by centuries makes no endless chart.
        let columns = min(to / width - from / width + 1, Self.columns)
        columnWidth = .milliseconds(width)
        timeline = (0..<columns).map {
            Column(from: VaultInstant(millisecondsSince1970: (from / width + $0) * width))
        }
    }
}

extension AuditEntry {
    /// Reasons that docs/rotation.md calls alarms.
    private static let alarms: Set<String> = [
        "wrong_family", "wrong_token", "wrong_client", "refresh_token_reused", "code_reused",
        "stale_refresh_token",
        "database_is_behind", "access_token_ahead",
    ]
    private static let keyVerbs = [
        "vault.create", "vault.restore", "vault.move", "key.", "key-", "keyslot", "slot.", "recovery",
        "root.",
        "signing-key.", "backup", "restore", "anchor", "client.rotate-secret", "connection.reveal",
        "user.erase",
        "rotation",
    ]
    private static let exchanges: Set<String> = Set(
        [
            AuditOperation.codeExchange, .refresh, .clientCredentials, .implicit, .connectionRefresh,
        ].map(\.rawValue))

    /// Whether an operator should read it.
    public var isAlarm: Bool {
        outcome == AuditOutcome.revoked.rawValue || Self.alarms.contains(reason ?? "")
            || foldedRefusals.contains { Self.alarms.contains(String($0.reason)) }
    }

    /// Whether it is about keys, slots, anchors, backups, or a secret that was shown.
    public var isKeyEvent: Bool { Self.keyVerbs.contains { operation.hasPrefix($0) } }

    /// Whether it is about tokens handed out for a code, a refresh token or credentials, by us or to us.
    var isExchange: Bool { Self.exchanges.contains(operation) || !foldedRefusals.isEmpty }

    /// How many such exchanges a refusal tells of. In 0.1.0 an entry counted those before it that were not written.
    var refusedExchanges: Int64 {
        foldedRefusals.isEmpty
            ? 1 + (count ?? 0)
            : foldedRefusals.reduce(0) { Self.exchanges.contains(String($1.operation)) ? $0 + $1.count : $0 }
    }
}

extension AuditEntry {
    /// How many refusals of which kind an `audit.refusals` entry counts; empty for every other entry.
    package var foldedRefusals: [(operation: Substring, reason: Substring, count: Int64)] {
        guard operation == AuditOperation.auditRefusals.rawValue, let reason else { return [] }
        return reason.split(separator: " ").compactMap { word in
            let parts = word.split(separator: "=")
            guard parts.count == 2, let count = Int64(parts[1]) else { return nil }
            let kind = parts[0].split(separator: "/", maxSplits: 1, omittingEmptySubsequences: false)
            return (kind[0], kind.count == 2 ? kind[1] : "", count)
        }
    }
}
