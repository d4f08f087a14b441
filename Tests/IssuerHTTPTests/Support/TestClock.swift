import Synchronization
import VaultCore

/// A clock that stands still until a test moves it.
final class TestClock: VaultClock {
    // 2026-01-05 10:00:00 UTC: any date will do, and this one can be told from the machine's.
    private static let start = VaultInstant(millisecondsSince1970: 1_767_607_200_000)

    private let passed = Mutex<Duration>(.zero)

    func now() -> VaultInstant { Self.start.advanced(by: passed.withLock { $0 }) }

    let name = "a test's"

    func monotonic() -> Duration { passed.withLock { $0 } }

    /// Lets time pass on both clocks.
    func advance(by duration: Duration) {
        passed.withLock { $0 += duration }
    }
}
