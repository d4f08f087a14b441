import MerkleLog
public import TokenVault
import VaultAudit
public import VaultCore
import VaultCrypto
import VaultStore

/// The vault at a glance: counts, log and health as of one moment.
public struct VaultStatus: Sendable {
    /// The vault's identifier.
    public let id: VaultID
    /// Version of the newest migration the file has seen.
    public let schema: Int
    /// When the vault was made.
    public let createdAt: VaultInstant
    /// Clients that were not removed.
    public let clients: Int64
    /// Users that were not removed.
    public let users: Int64
    /// Every grant that is still kept.
    public let grants: Int64
    /// Number of grants that are neither revoked nor expired. Grants of disabled users and clients count.
    public var liveGrants: Int64 { expiries.reduce(0) { $0 + $1.grants } }
    /// Entries of the audit log.
    public let logSize: Int64
    /// The first entry that was not pruned, and when it was written.
    public let firstKept: Int64
    public let oldestEntryAt: VaultInstant?
    /// A serving process may prune the entries before this one once they are over the bounds: every anchor covers them,
    /// or without an anchor, they were exported as tiles. Nil: there is neither, and nothing is pruned.
    public let coveredEntries: Int64?
    /// Root of the newest checkpoint, 64 hexadecimal digits.
    public let logRoot: String
    /// Time of the last audited write.
    public let lastWriteAt: VaultInstant
    /// Last sign of a serving process.
    public let heartbeatAt: VaultInstant
    /// False while the disk is too full for new work.
    public let acceptsNewWork: Bool
    /// Exchanges of the last 24 hours.
    public let exchanges: ExchangeHistory
    /// Live grants that end by themselves, idle or absolute lifetime, within `within` and not within the bound before
    /// it: an hour, a day, a week, 30 days, 90 days, a year, and nil for later.
    public let expiries: [(within: Duration?, grants: Int64)]
    /// The current keys, the root key first: `root` (about when it was made), `handles`, `tags`, `lookup`, `rows`,
    /// `log signing`, or `id_token` and the algorithm.
    public let keys: [(purpose: String, createdAt: VaultInstant)]
    /// The number of keyslots.
    public let keyslots: Int64
    /// Whether one of them is a recovery key.
    public let hasRecoveryKey: Bool
    /// The number of anchors outside the file.
    public let anchors: Int64
    /// Entries that the anchor furthest behind does not have; nil without an anchor.
    public let anchorLag: Int64?
}

/// The number of recent exchanges, in 24 equal spans up to now.
public struct ExchangeHistory: Sendable {
    /// Spans a history is divided into.
    public static let spans = 24
    /// Entries of the log that are read at most: a fraction of a second.
    public static let leaves: Int64 = 16_384

    /// Where the first span begins: 24 hours ago, or later where the log is too full to be read so far back.
    public fileprivate(set) var from: VaultInstant
    /// Answered exchanges in each span, oldest first; the same answer given again counts.
    public fileprivate(set) var answered = [Int64](repeating: 0, count: spans)
    /// Refused, in all spans together.
    public fileprivate(set) var refused: Int64 = 0
    /// Refused for reuse, the grant revoked, in all spans together.
    public fileprivate(set) var revoked: Int64 = 0
    /// The log holds more exchanges of these 24 hours than were read.
    public fileprivate(set) var isCut = false
}

extension Vault {
    /// Returns counts of the vault. Reads every grant once, so it takes about a second per million, and at most
    /// ``ExchangeHistory/leaves`` entries of the log; changes nothing.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when the log's head is damaged, ``VaultError/Code/ioFailure``.
    public func status() async throws -> VaultStatus {
        let now = clock.now()
        return try await scan { [acceptsNewWork] database, keys in
            let vault = try VaultRow.read(database, rowKey: keys.keyring.rows)
            let head = try LogHead.read(database)
            let (expiries, kept) = try database.expiries(now.millisecondsSince1970)
            let anchors = try database.count("SELECT count(*) FROM anchors")
            let log = StoredLog(database)
            let firstKept = try log.firstKept(head.size)
            let told = try database.count(
                "SELECT min(coalesce(p.size, 0)) FROM anchors a LEFT JOIN anchor_progress p ON p.id = a.id")
            return VaultStatus(
                id: vault.id,
                schema: Int(try database.count("SELECT max(version) FROM schema_migrations")),
                createdAt: vault.createdAt,
                clients: try database.count("SELECT count(*) FROM owners WHERE kind = 3 AND state != 3"),
                users: try database.count("SELECT count(*) FROM owners WHERE kind = 2 AND state != 3"),
                grants: kept, logSize: head.size, firstKept: firstKept,
                oldestEntryAt: try log.entry(firstKept)?.wall,
                coveredEntries: try database.coveredEntries(keys.keyring),
                logRoot: Hex.encode(head.root.bytes),
                lastWriteAt: try log.entry(head.size - 1)?.wall ?? head.lastTime,
                heartbeatAt: vault.heartbeatAt, acceptsNewWork: acceptsNewWork,
                exchanges: try ExchangeHistory(database, size: head.size, now: now), expiries: expiries,
                keys: try database.currentKeys(),
                keyslots: try database.count("SELECT count(*) FROM keyslots"),
                hasRecoveryKey: try database.count("SELECT count(*) FROM keyslots WHERE kind = 4") > 0,
                anchors: anchors, anchorLag: anchors == 0 ? nil : max(0, head.size - told))
        }
    }
}

extension Database {
    /// Reads every grant once.
    ///
    /// - Returns: beside the live ones by their end, how many grants are kept: those that ended too.
    fileprivate func expiries(_ now: Int64) throws -> ([(Duration?, Int64)], kept: Int64) {
        let bounds: [Int64] = [1, 24, 7 * 24, 30 * 24, 90 * 24, 365 * 24].map { $0 * 3_600_000 }
        let cases = bounds.enumerated().map { "WHEN ends <= \(now) + \($1) THEN \($0)" }
        var counts = [Int64](repeating: 0, count: bounds.count + 1)
        var kept: Int64 = 0
        try forEachRow(
            """
            SELECT CASE WHEN state <> 1 OR ends <= \(now) THEN -1 \(cases.joined(separator: " ")) ELSE \(bounds.count) END,
            count(*) FROM (
              SELECT state, CASE WHEN idle_expires_at < absolute_expires_at THEN idle_expires_at
              ELSE absolute_expires_at END AS ends FROM grants) AS g GROUP BY 1
            """
        ) { row in
            kept += row.integer(1)
            if row.integer(0) >= 0 { counts[Int(row.integer(0))] += row.integer(1) }
            return true
        }
        return (Array(zip(bounds.map { Duration.milliseconds($0) } + [nil], counts)), kept)
    }

    private static func word(_ purpose: SystemKeyPurpose) -> String {
        switch purpose {
        case .logSigning: "log signing"
        case .rowSet: "row set"
        default: "\(purpose)"
        }
    }

    fileprivate func currentKeys() throws -> [(String, VaultInstant)] {
        let root = try KeyAges.root(self).map { [("root", $0)] } ?? []
        let system = try rows(
            "SELECT purpose, min(created_at) FROM system_keys WHERE state = 1 GROUP BY purpose ORDER BY purpose"
        ) { row in
            SystemKeyPurpose(rawValue: row.integer(0)).map { (Self.word($0), row.instant(1)) }
        }
        let signing = try rows(
            "SELECT algorithm, created_at FROM signing_keys WHERE state = 1 ORDER BY id LIMIT 64"
        ) { row in row.text(0).map { ("id_token \($0)", row.instant(1)) } }
        return root + system + signing
    }
}

extension ExchangeHistory {
    /// Reads the newest entries backwards.
    fileprivate init(_ database: Database, size: Int64, now: VaultInstant) throws {
        from = now.advanced(by: .seconds(-86_400))
        var exchanges: [AuditEntry] = []
        try database.forEachRow(
            "SELECT bytes FROM audit_leaves WHERE id < ? ORDER BY id DESC LIMIT ?",
            [.integer(size), .integer(Self.leaves)]
        ) { row in
            guard case .blob(let bytes) = row.value(0), let entry = AuditLeaf.decode(bytes) else {
                return true
            }
            guard entry.time >= from else { return false }
            guard entry.wall >= from else { return true }
            if entry.isExchange { exchanges.append(entry) }
            if entry.index == size - Self.leaves, entry.index > 0 {
                from = entry.wall
                isCut = true
            }
            return true
        }
        let width = max(1, (now.millisecondsSince1970 - from.millisecondsSince1970) / Int64(Self.spans))
        for entry in exchanges {
            switch AuditOutcome(rawValue: entry.outcome) {
            case .succeeded, .replayed:
                let span = (entry.wall.millisecondsSince1970 - from.millisecondsSince1970) / width
                answered[Int(max(0, min(Int64(Self.spans) - 1, span)))] += 1
            case .revoked: revoked += 1
            case .refused, nil: refused += entry.refusedExchanges
            }
        }
    }
}
