#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

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

/// `clock_gettime`: the one place that asks the machine for the time.
package enum MachineClock {
    /// Since 1970, UTC.
    static var wall: Duration { read(CLOCK_REALTIME) }

    /// Since the machine started, time asleep included where the system can tell.
    static var monotonic: Duration {
        #if os(Linux)
            read(CLOCK_BOOTTIME)
        #else
            read(CLOCK_MONOTONIC)
        #endif
    }

    /// What the calling thread used of a processor: work is paced by it, nothing is judged by it.
    package static var thread: Duration { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
