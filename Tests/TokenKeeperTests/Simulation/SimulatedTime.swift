import Synchronization
import TestSupport
import TokenVault
import VaultCore

/// Time as it is, and what the wall clock of this machine makes of it: somebody sets that one back and forth.
final class SimulatedTime: VaultClock {
    private let state = Mutex((passed: Duration.seconds(1000), wallAhead: Duration.zero))
    private static let start = VaultInstant(millisecondsSince1970: 1_790_000_000_000)

    /// What our machine takes for the time.
    func now() -> VaultInstant { state.withLock { Self.start.advanced(by: $0.passed + $0.wallAhead) } }

    /// What the provider takes for the time, which is right.
    var trueNow: VaultInstant { state.withLock { Self.start.advanced(by: $0.passed) } }

    let name = "the simulation"

    func monotonic() -> Duration { state.withLock(\.passed) }

    func advance(by span: Duration) { state.withLock { $0.passed += max(span, .zero) } }

    func advance(to moment: Duration) { state.withLock { $0.passed = max($0.passed, moment) } }

    func setWall(ahead: Duration) { state.withLock { $0.wallAhead = ahead } }

    /// The beginning of a history: the wall clock is right, and a second begins, as a `Date` header tells seconds.
    func beginHistory() {
        state.withLock {
            $0.wallAhead = .zero
            $0.passed = .seconds($0.passed.components.seconds + 7200)
        }
    }
}

/// Everything that chance decides in one history, from one number.
struct Dice {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed &* 0x2545_F491_4F6C_DD1D &+ 0x9E37) }

    /// From 0 up to but not including `end`.
    mutating func below(_ end: Int) -> Int { random.below(end) }

    mutating func oneIn(_ count: Int) -> Bool { below(count) == 0 }

    mutating func pick<Value>(_ values: [Value]) -> Value { random.pick(values) }

    mutating func seconds(_ range: ClosedRange<Int>) -> Duration {
        .milliseconds(range.lowerBound * 1000 + below((range.upperBound - range.lowerBound) * 1000 + 1))
    }
}
