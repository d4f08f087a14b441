import Foundation
import TokenVault
import VaultCore

/// The vault at a glance, as printed.
struct StatusRecord: Record {
    let vault: String
    let vaultId: String
    let schema: Int
    let clients, users, grants, liveGrants: Int64
    let logSize: Int64
    let root: String
    let createdAt, lastWrite, lastHeartbeat: Timestamp
    let acceptsNewWork: Bool
    let freeBytes: Int64?
    let exchanges: Exchanges
    let expiries: [Expiry]
    let keys: [Key]
    let keyslots, anchors: Int64
    let hasRecoveryKey: Bool
    let anchorLag: Int64?

    /// Of the last 24 hours, in 24 equal spans.
    struct Exchanges: Encodable {
        let from: Timestamp
        let answered: [Int64]
        let refused, revoked: Int64
        /// Older ones of these 24 hours were not read.
        let isCut: Bool
    }

    /// Live grants that end within so many hours, and not within those of the entry before.
    struct Expiry: Encodable {
        /// Absent: later.
        let withinHours: Int64?
        let grants: Int64
    }

    struct Key: Encodable {
        let purpose: String
        let createdAt: Timestamp
        let ageDays: Int64
    }

    init(_ status: VaultStatus, path: String, now: VaultInstant = SystemClock().now()) {
        vault = path
        vaultId = status.id.description
        schema = status.schema
        clients = status.clients
        users = status.users
        grants = status.grants
        liveGrants = status.liveGrants
        logSize = status.logSize
        root = status.logRoot
        createdAt = Timestamp(status.createdAt)
        lastWrite = Timestamp(status.lastWriteAt)
        lastHeartbeat = Timestamp(status.heartbeatAt)
        acceptsNewWork = status.acceptsNewWork
        freeBytes = Self.freeBytes(around: path)
        let history = status.exchanges
        exchanges = Exchanges(
            from: Timestamp(history.from), answered: history.answered, refused: history.refused,
            revoked: history.revoked, isCut: history.isCut)
        expiries = status.expiries.map {
            Expiry(withinHours: $0.within.map { $0.components.seconds / 3600 }, grants: $0.grants)
        }
        keys = status.keys.map {
            Key(
                purpose: $0.purpose, createdAt: Timestamp($0.createdAt),
                ageDays: now.elapsed(since: $0.createdAt).components.seconds / 86_400)
        }
        keyslots = status.keyslots
        hasRecoveryKey = status.hasRecoveryKey
        anchors = status.anchors
        anchorLag = status.anchorLag
    }

    /// What an unprivileged process may still write there.
    private static func freeBytes(around path: String) -> Int64? {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
        return (attributes?[.systemFreeSize] as? NSNumber)?.int64Value
    }

    var lines: [String] {
        let space = freeBytes.map { "\($0 / 1_048_576) MiB free" } ?? "unknown"
        return Table.pairs([
            ("vault", vault), ("vault_id", vaultId), ("schema", "\(schema)"), ("clients", "\(clients)"),
            ("users", "\(users)"), ("grants", "\(grants), of them \(liveGrants) live"),
            ("expiry", expiryLine), ("exchanges", exchangesLine),
            ("log", "\(logSize) entries"), ("root", root), ("anchors", anchorLine), ("keys", keysLine),
            ("keyslots", keyslotsLine), ("created_at", createdAt.description),
            ("last_write", lastWrite.description), ("last_heartbeat", lastHeartbeat.description),
            ("disk", space + (acceptsNewWork ? "" : "; too little: no new work is taken")),
        ])
    }

    private var exchangesLine: String {
        let total = exchanges.answered.reduce(0, +)
        let span = exchanges.isCut ? "since \(exchanges.from)" : "in 24 h"
        return "\(Sparkline.text(exchanges.answered))  \(total) \(span), \(exchanges.refused) refused, "
            + "\(exchanges.revoked) revoked for reuse"
    }

    private var expiryLine: String {
        let words = expiries.filter { $0.grants > 0 }.map { expiry in
            let within = expiry.withinHours.map { $0 < 24 ? "\($0) h" : "\($0 / 24) d" }
            return "\(expiry.grants) " + (within.map { "within \($0)" } ?? "later")
        }
        let bars = Sparkline.text(expiries.map(\.grants))
        return words.isEmpty ? "\(bars)  no live grant" : "\(bars)  \(words.joined(separator: ", "))"
    }

    private var anchorLine: String {
        guard let anchorLag else {
            return "none: 'tokenvault audit anchor add' makes cuts and old copies visible"
        }
        return anchorLag == 0 ? "\(anchors), up to date" : "\(anchors), the last \(anchorLag) entries behind"
    }

    private var keysLine: String { keys.map { "\($0.purpose) \($0.ageDays) d" }.joined(separator: ", ") }

    private var keyslotsLine: String {
        hasRecoveryKey
            ? "\(keyslots), one of them for recovery"
            : "\(keyslots), none for recovery: 'tokenvault key recovery create' makes one"
    }
}
