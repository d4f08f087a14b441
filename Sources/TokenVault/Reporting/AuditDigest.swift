public import VaultCore

/// What the log says of a period: exchanges by outcome over time, alarms, events of keys, and totals.
public struct AuditDigest: Sendable {
    /// Entries that are kept of alarms and of key events each, the newest; more are counted.
    public static let listed = 200
    /// Columns of the timeline at most.
    public static let columns: Int64 = 96

    /// Exchanges of one span of time.
    public struct Column: Sendable, Equatable {
        public let from: VaultInstant
        public internal(set) var answered: Int64 = 0
        /// The same answer, given again.
        public internal(set) var replayed: Int64 = 0
        public internal(set) var refused: Int64 = 0
        /// Refused for reuse, and the grant revoked.
        public internal(set) var revoked: Int64 = 0

        public var total: Int64 { answered + replayed + refused + revoked }
    }

    /// The newest of some kind of entries, oldest first.
    public struct Selection: Sendable {
        public internal(set) var entries: [AuditEntry] = []
        /// Earlier ones that are not kept.
        public internal(set) var earlier = 0

        mutating func add(_ entry: AuditEntry) {
            entries.append(entry)
            // In strides: to drop the first of an array moves all others.
            guard entries.count >= 2 * AuditDigest.listed else { return }
            trim()
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
    /// Of the first and the last entry; nil where the period is empty.
    public internal(set) var span: (from: VaultInstant, to: VaultInstant)?
    /// Without gaps, oldest first; all of ``columnWidth``: a second to a year.
    public internal(set) var timeline: [Column] = []
    public internal(set) var columnWidth = Duration.seconds(60)
    /// Reuse of what was spent, credentials of others, a database older than its tokens.
    public internal(set) var alarms = Selection()
    /// What was done to the vault's keys, slots, log and backups, and secrets that were shown.
    public internal(set) var keyEvents = Selection()
    /// Entries by operation and outcome.
    public internal(set) var totals: [Total] = []

    public struct Total: Sendable, Hashable {
        public let operation: String
        public let outcome: String
        public let count: Int64
    }
}

extension AuditEntry {
    /// Reasons that docs/rotation.md calls alarms.
    private static let alarms: Set<String> = [
        "wrong_family", "wrong_token", "wrong_client", "refresh_token_reused", "code_reused",
        "database_is_behind",
        "access_token_ahead",
    ]
    private static let keyVerbs = [
        "vault.create", "vault.restore", "key.", "key-", "keyslot", "slot.", "recovery", "root.",
        "signing-key.",
        "backup", "restore", "anchor", "client.rotate-secret", "connection.reveal", "user.erase",
        "rotation",
    ]

    /// Whether somebody should look at it.
    public var isAlarm: Bool {
        outcome == AuditOutcome.revoked.rawValue || Self.alarms.contains(reason ?? "")
    }

    /// Whether it is about keys, slots, anchors, backups, or a secret that was shown.
    public var isKeyEvent: Bool { Self.keyVerbs.contains { operation.hasPrefix($0) } }
}

extension AuditDigest.Column {
    /// A column without exchanges.
    public init(from: VaultInstant) { self.from = from }

    /// Counts the exchanges of another column, too.
    public mutating func add(_ other: Self) {
        answered += other.answered
        replayed += other.replayed
        refused += other.refused
        revoked += other.revoked
    }
}
