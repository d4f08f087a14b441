import VaultCore

/// Refusals that are counted, to be written as one entry.
struct FoldedRefusals: Sendable {
    /// By `operation/reason`.
    private var counts: [String: Int] = [:]
    private var last: AuditEvent?

    mutating func add(_ event: AuditEvent) {
        counts["\(event.operation.rawValue)/\(event.reason ?? "")", default: 0] += 1
        last = event
        last?.isLimited = false
    }

    mutating func add(_ other: FoldedRefusals) {
        counts.merge(other.counts, uniquingKeysWith: +)
        last = other.last ?? last
    }

    var isEmpty: Bool { last == nil }

    /// One refusal as it was, or how many there were of each kind, the most frequent first. Nil: there were none.
    var event: AuditEvent? {
        let total = counts.values.reduce(0, +)
        guard let last, total > 1 else { return last }
        let kinds = counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }
        var words = kinds.prefix(Limits.foldedRefusalKinds).map { "\($0.key)=\($0.value)" }
        let others = kinds.dropFirst(Limits.foldedRefusalKinds).reduce(0) { $0 + $1.value }
        if others > 0 { words.append("other=\(others)") }
        return AuditEvent(
            .auditRefusals, .refused, by: AuditActor(nil, last.actor.channel),
            reason: words.joined(separator: " "), count: total)
    }
}
