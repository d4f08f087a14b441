/// Where time comes from. Nothing below the executable reads a clock by itself.
public protocol VaultClock: Sendable {
    /// The wall clock, UTC.
    func now() -> VaultInstant

    /// Time since the machine started, never running backwards: comparable between processes of one boot.
    func monotonic() -> Duration
}

/// The clocks of the machine.
public struct SystemClock: VaultClock {
    public init() {}

    public func now() -> VaultInstant {
        VaultInstant(millisecondsSince1970: MachineClock.wall.milliseconds)
    }

    public func monotonic() -> Duration { MachineClock.monotonic }
}
