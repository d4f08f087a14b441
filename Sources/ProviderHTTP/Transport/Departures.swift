import Synchronization

/// Tells of each request whether it may have left this machine.
///
/// The library's errors do not say it: a connection that is lost in the handshake looks like one that is lost after
/// the request. So every request waits here under a number that it carries in a header of ours. Two may take the
/// number out, and the first wins: ``DepartureGate``, at the last step before bytes are made of the request, or the
/// sender, once the attempt has failed. A request that the sender took back is not let through the gate any more,
/// and one that the gate let through counts as sent.
final class Departures: Sendable {
    /// Taken off at the gate; it never leaves.
    static let header = "tokenvault-departure"

    private struct State {
        var next: UInt64 = 0
        var waiting: Set<String> = []
    }

    private let state = Mutex(State())

    /// The number of a new request.
    func announce() -> String {
        state.withLock { state in
            state.next += 1
            state.waiting.insert(String(state.next))
            return String(state.next)
        }
    }

    /// The gate asks: false if the request must not leave.
    func leave(_ number: String) -> Bool { state.withLock { $0.waiting.remove(number) != nil } }

    /// The sender takes it back: false if it may have left.
    func takeBack(_ number: String) -> Bool { state.withLock { $0.waiting.remove(number) != nil } }
}
