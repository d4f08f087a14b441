#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

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
