import TokenRotation

/// How often random histories came to each kind of answer: a generator that avoids the hard cases proves nothing.
struct Tally: Sendable {
    private(set) var counts: [String: Int] = [:]
    var reasons: Set<RefusalReason> = []

    mutating func count(_ verdict: FullHistory.Verdict) {
        switch verdict {
        case .newPair: add("new pair")
        case .samePair: add("same pair")
        case .error(let error, let revoked): add(revoked == nil ? error : "revoked")
        case .unavailable: add("unavailable")
        }
    }

    mutating func count(isAccessAccepted: Bool) {
        add(isAccessAccepted ? "access accepted" : "access refused")
    }

    mutating func merge(_ other: Tally) {
        counts.merge(other.counts, uniquingKeysWith: +)
        reasons.formUnion(other.reasons)
    }

    private mutating func add(_ name: String) { counts[name, default: 0] += 1 }
}
