import SQLiteStore
import Synchronization
public import TokenVault
public import VaultCore
import VaultCrypto

extension Vault {
    /// A vault for one test, in memory: no file, no key to keep, and nothing left of it afterwards. It does what a vault in a
    /// file does, but for what is about files: backups, the doctor's look at them, several processes.
    ///
    /// ```swift
    /// let clock = SettableClock()
    /// let vault = try await Vault.temporary(clock: clock)
    /// let user = try await vault.users.add("alice")
    /// clock.advance(by: .seconds(3600))
    /// ```
    public static func temporary(clock: any VaultClock = SystemClock()) async throws -> Vault {
        try await create(
            in: MemoryStore(), unlockedBy: .heldKey(.random()),
            configuration: VaultConfiguration(clock: clock))
    }
}

/// A clock that stands still until a test moves it.
public final class SettableClock: VaultClock {
    private let state: Mutex<(wall: Int64, monotonic: Duration, boots: Int)>

    /// - Parameter start: milliseconds since 1970; by default a morning in September 2026.
    public init(_ start: Int64 = 1_790_000_000_000) {
        state = Mutex((start, .zero, 1))
    }

    public func now() -> VaultInstant { state.withLock { VaultInstant(millisecondsSince1970: $0.wall) } }
    public var name: String { state.withLock { "boot \($0.boots)" } }
    public func monotonic() -> Duration { state.withLock { $0.monotonic } }

    /// Moves the clock forward.
    public func advance(by duration: Duration) {
        state.withLock {
            $0.wall += duration.milliseconds
            $0.monotonic += duration
        }
    }

    /// The machine starts again: from now on another monotonic clock is read, which happens to stand where that one stood.
    public func reboot() { state.withLock { $0.boots += 1 } }

    /// The wall clock is set, and no time passes.
    public func step(_ duration: Duration) { state.withLock { $0.wall += duration.milliseconds } }
}
