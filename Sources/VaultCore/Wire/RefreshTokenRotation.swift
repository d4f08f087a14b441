/// What a refresh token is still good for after it was replaced: a setting of its client.
///
/// Whichever it is, a grant has one current pair and no other, and a replaced token that is not accepted ends the grant.
/// The others than ``strict`` are for clients that keep old tokens; `docs/rotation.md` says what each costs where a token
/// was stolen.
///
/// ```swift
/// registration.rotation = .untilFirstUse(cap: .seconds(86400))
/// ```
public enum RefreshTokenRotation: Sendable, Hashable {
    /// It may be retried within the client's retry window.
    case strict
    /// It works until the refresh token that replaced it is used: for `cap` at most, 1 minute to 30 days.
    case untilFirstUse(cap: Duration)
    /// It works until it was replaced more than `generations` times (1 to 1,000): for `cap` at most, 1 minute to 30 days.
    case staleTolerant(generations: Int, cap: Duration)

    /// For clients that register themselves.
    package static let ofSelfRegistered = untilFirstUse(cap: .seconds(86400))
    /// The words for them, as metadata list them.
    package static let names = ["strict", "until-first-use", "stale-tolerant"]

    private static let defaultCap = Duration.seconds(86400)

    /// Whether its numbers are within the limits.
    package var isWithinLimits: Bool {
        let caps = Duration.seconds(60)...Limits.staleTokenCap
        return switch self {
        case .strict: true
        case .untilFirstUse(let cap): caps.contains(cap)
        case .staleTolerant(let generations, let cap):
            caps.contains(cap) && (1...Limits.staleGenerations).contains(generations)
        }
    }
}

extension RefreshTokenRotation: LosslessStringConvertible {
    /// `strict`, `until-first-use:24h` or `stale-tolerant:3:24h`: as rows, commands and JSON spell it.
    public var description: String {
        switch self {
        case .strict: Self.names[0]
        case .untilFirstUse(let cap): "\(Self.names[1]):\(cap.spelled)"
        case .staleTolerant(let generations, let cap): "\(Self.names[2]):\(generations):\(cap.spelled)"
        }
    }

    /// Reads what ``description`` writes. Without a cap it is 24 hours; nil also for what is beyond the limits.
    public init?(_ description: String) {
        let words = description.split(separator: ":", omittingEmptySubsequences: false).map { String($0) }
        func cap(_ index: Int) -> Duration? {
            switch words.count {
            case index: Self.defaultCap
            case index + 1: Duration(spelled: words[index])
            default: nil
            }
        }
        switch words[0] {
        case Self.names[0] where words.count == 1: self = .strict
        case Self.names[1]:
            guard let cap = cap(1) else { return nil }
            self = .untilFirstUse(cap: cap)
        case Self.names[2]:
            guard words.count > 1, let generations = UInt16(words[1]), let cap = cap(2) else { return nil }
            self = .staleTolerant(generations: Int(generations), cap: cap)
        default: return nil
        }
        guard isWithinLimits else { return nil }
    }
}
