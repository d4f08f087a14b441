import VaultCore

/// How a pass over the rows is spread out in time: it takes a twentieth of one processor at most. Arithmetic
/// only: the caller measures processor time, and sleeps.
package struct PassPace: Sendable {
    /// One part of work to 19 of rest.
    static let parts = 20
    /// A slice of work ends after about this: no longer does it keep the WAL from being emptied.
    static let slice = Duration.milliseconds(5)
    static let shortestPause = Duration.seconds(10)
    static let longestPause = Duration.seconds(3600)

    /// Processor time of the pass so far.
    private var used = Duration.zero

    package init() {}

    /// How long to rest after a slice that took `time` of a processor.
    package mutating func rest(after time: Duration) -> Duration {
        used += time
        return time * (Self.parts - 1)
    }

    /// How long to wait after the pass before the next one: four times what it took, so that a large vault costs a
    /// hundredth of a processor in the long run, and never more than an hour.
    package var pause: Duration {
        min(max(used * Self.parts * 4, Self.shortestPause), Self.longestPause)
    }
}
