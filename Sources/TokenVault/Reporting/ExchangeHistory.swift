import GRDB
public import VaultCore

/// How many tokens were handed out lately: 24 equal spans up to now.
public struct ExchangeHistory: Sendable {
    /// Spans a history is divided into.
    public static let spans = 24
    /// Entries of the log that are read at most: a fraction of a second.
    public static let leaves: Int64 = 16_384

    /// Where the first span begins: 24 hours ago, or later where the log is too full to be read so far back.
    public let from: VaultInstant
    /// Answered exchanges in each span, oldest first; the same answer given again counts.
    public let answered: [Int64]
    /// Refused, in all spans together.
    public let refused: Int64
    /// Refused for reuse, the grant revoked, in all spans together.
    public let revoked: Int64
    /// The log holds more exchanges of these 24 hours than were read.
    public let isCut: Bool
}

extension ExchangeHistory {
    /// Reads the newest entries backwards.
    static func read(_ database: Database, size: Int64, now: VaultInstant) throws -> ExchangeHistory {
        var from = now.advanced(by: .seconds(-86_400))
        var exchanges: [AuditEntry] = []
        var isCut = false
        try database.forEachRow(
            "SELECT bytes FROM audit_leaves WHERE id < ? ORDER BY id DESC LIMIT ?",
            [.integer(size), .integer(leaves)]
        ) { row in
            guard case .blob(let bytes) = row.value(0), let entry = AuditLeaf.decode(bytes) else {
                return true
            }
            guard entry.time >= from else { return false }
            if entry.isExchange { exchanges.append(entry) }
            if entry.index == size - leaves, entry.index > 0 {
                from = entry.time
                isCut = true
            }
            return true
        }
        var answered = [Int64](repeating: 0, count: spans)
        var refused: Int64 = 0
        var revoked: Int64 = 0
        let width = max(1, (now.millisecondsSince1970 - from.millisecondsSince1970) / Int64(spans))
        for entry in exchanges {
            switch AuditOutcome(rawValue: entry.outcome) {
            case .succeeded, .replayed:
                let span = (entry.time.millisecondsSince1970 - from.millisecondsSince1970) / width
                answered[Int(max(0, min(Int64(spans) - 1, span)))] += 1
            case .revoked: revoked += 1
            case .refused, nil: refused += entry.count ?? 1
            }
        }
        return ExchangeHistory(
            from: from, answered: answered, refused: refused, revoked: revoked, isCut: isCut)
    }
}

extension AuditEntry {
    private static let exchanges: Set<String> = Set(
        [
            AuditOperation.codeExchange, .refresh, .clientCredentials, .implicit, .connectionRefresh,
        ].map(\.rawValue))

    /// Whether it is about tokens handed out for a code, a refresh token or credentials, by us or to us.
    var isExchange: Bool { Self.exchanges.contains(operation) }
}
