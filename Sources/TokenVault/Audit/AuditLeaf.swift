import MerkleLog
public import VaultCore
import VaultCrypto

/// A row named by a leaf: what the row's hashed columns were after the change, or that the row is gone.
struct RowChange: Sendable, Equatable {
    let table: UInt16
    let id: Int64
    /// Nil: the row was deleted.
    let hash: Digest?
    /// Grants: the day after which the row may be missing, because expired grants are deleted without a leaf.
    let expiresDay: Int64?
}

/// One entry of the log, decoded. docs/schema.md lists the members of its JSON.
public struct AuditEntry: Sendable {
    public internal(set) var index: Int64 = 0
    public internal(set) var time = VaultInstant(millisecondsSince1970: 0)
    /// Milliseconds on the writer's monotonic clock.
    public internal(set) var monotonic: Int64 = 0
    /// Boot of the machine that wrote it, 32 hexadecimal digits.
    public internal(set) var boot = ""
    public internal(set) var operation = ""
    public internal(set) var outcome = ""
    public internal(set) var reason: String?
    /// Pseudonym of the actor, 32 hexadecimal digits.
    public internal(set) var actor = ""
    public internal(set) var channel = ""
    public internal(set) var subject: String?
    public internal(set) var grant: Int64?
    public internal(set) var generation: Int64?
    /// First 16 bytes of the token's SHA-256, in hexadecimal.
    public internal(set) var fingerprint: String?
    public internal(set) var requestID: String?
    public internal(set) var count: Int64?
    public internal(set) var grants: [Int64] = []
    /// SHA-256 over salt and personal data, which lie sealed outside the tree.
    public internal(set) var personalCommitment: String?
    var rows: [RowChange] = []
}

/// Writes leaves: compact JSON, keys in a fixed order, at most ``Limits/leafBytes``.
enum AuditLeaf {
    static let format = 1

    static func encode(_ entry: AuditEntry) -> [UInt8] {
        var json = LeafWriter()
        json.member("v", Int64(format))
        json.member("i", entry.index)
        json.member("t", entry.time.millisecondsSince1970)
        json.member("m", entry.monotonic)
        json.member("b", entry.boot)
        json.member("op", entry.operation)
        json.member("out", entry.outcome)
        json.optional("why", entry.reason)
        json.member("by", entry.actor)
        json.member("via", entry.channel)
        json.optional("who", entry.subject)
        json.optional("g", entry.grant)
        json.optional("n", entry.generation)
        json.optional("tok", entry.fingerprint)
        json.optional("req", entry.requestID)
        json.optional("count", entry.count)
        json.optional("gs", entry.grants)
        json.optional("rows", entry.rows)
        json.optional("pd", entry.personalCommitment)
        return json.finish()
    }

    /// Reads what ``encode(_:)`` wrote, and nothing else: keys out of order or a second spelling are refused.
    static func decode(_ bytes: [UInt8]) -> AuditEntry? {
        bytes.withUnsafeBytes { LeafFields(reading: $0)?.entry(of: $0) }
    }
}
