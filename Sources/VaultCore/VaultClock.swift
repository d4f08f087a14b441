/// Where time comes from. Nothing below the executable reads a clock by itself.
public protocol VaultClock: Sendable {
    /// The wall clock, UTC.
    func now() -> VaultInstant

    /// Time since some fixed point of this boot, never running backwards.
    func monotonic() -> Duration
}

/// The clocks of the machine.
public struct SystemClock: VaultClock {
    private static let origin = ContinuousClock.now

    public init() {}

    public func now() -> VaultInstant {
        VaultInstant(millisecondsSince1970: WallClock.milliseconds())
    }

    public func monotonic() -> Duration {
        ContinuousClock.now - Self.origin
    }
}
