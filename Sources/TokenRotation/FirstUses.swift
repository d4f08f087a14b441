import Synchronization
package import VaultCore

/// First uses of current token pairs that this process saw and has not written to the rows yet. The retry
/// window closes the moment a use is seen; the row follows within a second or so.
package final class FirstUses: Sendable {
    private let seen = Mutex<[GrantID: (generation: UInt32, at: VaultInstant)]>([:])

    package init() {}

    // A flood of first uses falls back to rows that stay open until the window ends: safe, only later.
    private static let capacity = 100_000

    package func note(_ grant: GrantID, _ generation: UInt32, at now: VaultInstant) {
        seen.withLock { seen in
            guard seen.count < Self.capacity, seen[grant]?.generation != generation else { return }
            seen[grant] = (generation, now)
        }
    }

    package func contains(_ grant: GrantID, _ generation: UInt32) -> Bool {
        seen.withLock { $0[grant]?.generation == generation }
    }

    /// Up to `limit` uses to be written.
    package func batch(_ limit: Int) -> [(grant: GrantID, generation: UInt32, at: VaultInstant)] {
        seen.withLock { seen in seen.prefix(limit).map { ($0.key, $0.value.generation, $0.value.at) } }
    }

    /// Forgets uses that have been written, or that no longer matter.
    package func remove(_ written: [(grant: GrantID, generation: UInt32, at: VaultInstant)]) {
        seen.withLock { seen in
            for use in written where seen[use.grant]?.generation == use.generation { seen[use.grant] = nil }
        }
    }
}
