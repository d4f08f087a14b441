#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// `clock_gettime`: the one place that asks the machine for the time.
enum MachineClock {
    /// Since 1970, UTC.
    static var wall: Duration { read(CLOCK_REALTIME) }

    /// Since the machine started.
    static var monotonic: Duration { read(CLOCK_MONOTONIC) }

    private static func read(_ clock: clockid_t) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
