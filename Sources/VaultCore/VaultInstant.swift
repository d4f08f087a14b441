/// A point of time: milliseconds since 1970-01-01T00:00:00Z, on the wall clock. It is also how spans on the
/// vault's *serving clock* are kept (see ``VaultClock``).
public struct VaultInstant: Sendable, Hashable, Comparable {
    public let millisecondsSince1970: Int64

    public init(millisecondsSince1970: Int64) {
        self.millisecondsSince1970 = millisecondsSince1970
    }

    public static func < (left: VaultInstant, right: VaultInstant) -> Bool {
        left.millisecondsSince1970 < right.millisecondsSince1970
    }

    /// Whole seconds since 1970, rounded down: the unit of `exp` and `iat`.
    public var secondsSince1970: Int64 {
        let (quotient, remainder) = millisecondsSince1970.quotientAndRemainder(dividingBy: 1000)
        return remainder < 0 ? quotient - 1 : quotient
    }

    /// The instant `duration` later. Saturates instead of trapping.
    public func advanced(by duration: Duration) -> VaultInstant {
        let (sum, overflow) = millisecondsSince1970.addingReportingOverflow(duration.milliseconds)
        guard overflow else { return VaultInstant(millisecondsSince1970: sum) }
        return VaultInstant(millisecondsSince1970: duration < .zero ? .min : .max)
    }

    /// Returns the time between `earlier` and this instant; zero if the clock ran backwards.
    public func elapsed(since earlier: VaultInstant) -> Duration {
        guard self > earlier else { return .zero }
        let (span, overflow) = millisecondsSince1970.subtractingReportingOverflow(
            earlier.millisecondsSince1970)
        return .milliseconds(overflow ? .max : span)
    }
}

extension Duration {
    /// Whole milliseconds, rounded towards zero and saturated to 64 bits.
    public var milliseconds: Int64 {
        let (seconds, attoseconds) = components
        let (thousands, overflow) = seconds.multipliedReportingOverflow(by: 1000)
        guard !overflow else { return seconds < 0 ? .min : .max }
        let (sum, carried) = thousands.addingReportingOverflow(attoseconds / 1_000_000_000_000_000)
        return carried ? (seconds < 0 ? .min : .max) : sum
    }
}
