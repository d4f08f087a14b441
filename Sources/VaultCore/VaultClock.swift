#if canImport(Glibc)
    import Glibc
#elseif canImport(Musl)
    import Musl
#elseif canImport(Darwin)
    import Darwin
#endif

/// The source of time. Nothing below the executable reads a clock by itself.
public protocol VaultClock: Sendable {
    /// The wall clock, UTC.
    func now() -> VaultInstant

    /// Which clock ``monotonic()`` reads: a boot of this machine, or a server's. Readings of different names tell nothing
    /// of each other. Printable ASCII, at most 64 characters.
    var name: String { get }

    /// Time since the clock started, never running backwards: comparable between processes whose clock has the same name.
    func monotonic() -> Duration
}

extension VaultClock {
    package func reading() -> ClockReading {
        ClockReading(clock: name, milliseconds: monotonic().milliseconds)
    }
}

/// What a monotonic clock said, with its name.
package struct ClockReading: Sendable, Equatable {
    package let clock: String
    package let milliseconds: Int64

    package init(clock: String, milliseconds: Int64) {
        self.clock = clock
        self.milliseconds = milliseconds
    }

    /// Milliseconds from `other` to this reading, negative where this is the earlier one; nil where another clock was read.
    package func milliseconds(since other: ClockReading) -> Int64? {
        clock == other.clock ? milliseconds - other.milliseconds : nil
    }

    /// A database server's clock, the same for all machines, and its wall clock: its name is given by the store.
    package var isOfServer: Bool { clock.hasPrefix(Self.serverPrefix) }
    package static let serverPrefix = "pg:"

    package func advanced(by duration: Duration) -> ClockReading {
        ClockReading(clock: clock, milliseconds: milliseconds + duration.milliseconds)
    }
}

/// The clocks of the machine.
public struct SystemClock: VaultClock {
    public init() {}

    public func now() -> VaultInstant {
        VaultInstant(millisecondsSince1970: MachineClock.wall.milliseconds)
    }

    public var name: String { MachineClock.boot }

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

    /// Names this boot of this machine: the kernel's own identifier in 32 hexadecimal digits, or random ones for this
    /// process.
    static let boot: String = {
        let path = "/proc/sys/kernel/random/boot_id"
        let bytes = (try? SmallFile.read(path, limit: 64, closed: .toNobody, remedy: "")) ?? []
        let digits = String(decoding: bytes, as: UTF8.self).lowercased().filter(\.isHexDigit)
        return digits.count == 32 ? digits : Hex.encode((0..<16).map { _ in UInt8.random(in: .min ... .max) })
    }()

    /// What the calling thread used of a processor: work is paced by it, nothing is judged by it.
    package static var thread: Duration { read(CLOCK_THREAD_CPUTIME_ID) }

    private static func read(_ clock: clockid_t) -> Duration {
        var time = timespec()
        clock_gettime(clock, &time)
        return .seconds(Int64(time.tv_sec)) + .nanoseconds(Int64(time.tv_nsec))
    }
}
