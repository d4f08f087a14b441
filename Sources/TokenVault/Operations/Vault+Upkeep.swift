import Logging
import Synchronization
import TokenRotation
import VaultCore
import VaultCrypto
import VaultStore

extension Vault {
    /// Says in the log, where it is so, that keys are not locked into memory: once in each process that holds them for long.
    package func warnOfUnlockedKeys() {
        guard !ProcessHardening.areKeysLocked() else { return }
        logger.warning(
            "Keys cannot be locked into memory here, and may be written to swap. \(ProcessHardening.lockingAdvice)"
        )
    }

    /// Declares that this process serves. When none did until now, the time since the last heartbeat counts
    /// as an outage and no retry window ran during it.
    ///
    /// A damaged vault is served as well, with an error for every caller: that says more than a
    /// service that does not start.
    public func beginServing() async throws {
        let isFirst = try store.beginServing()
        do {
            try await housekeep { transaction in
                transaction.changeVault { vault in
                    if isFirst {
                        vault.beatAfterOutage(at: transaction.now, monotonic: transaction.monotonic)
                    } else {
                        vault.beat(at: transaction.now, monotonic: transaction.monotonic)
                    }
                }
            }
        } catch let error as VaultError where error.code == .integrity { noteDamage(error) }
    }

    /// Writes the heartbeat, which proves that the write path works.
    public func proveWritePath() async throws {
        if let refusal = store.refusalOfNewWork() { throw refusal }
        try await housekeep { transaction in
            transaction.changeVault { $0.beat(at: transaction.now, monotonic: transaction.monotonic) }
        }
    }

    /// One turn of upkeep, about a second after the one before. Trouble here is trouble for everybody and reported there;
    /// the next turn tries again.
    package func keepUp(heartbeat: Bool) async {
        store.keepUp()
        do {
            try await flushFirstUses()
            try await writeRefusals()
            if heartbeat { try await proveWritePath() }
        } catch { logger.warning("Upkeep failed; this is retried.", metadata: ["error": "\(error)"]) }
    }

    /// Writes the first uses seen since the last time into their rows: many in one body, one leaf.
    func flushFirstUses() async throws {
        while true {
            let uses = firstUses.batch(Limits.marksPerLeaf)
            guard !uses.isEmpty else { return }
            try await queue.submit(.finishing, reading: uses.map { .grant($0.grant) }) {
                [operatorActor] transaction in
                var event = AuditEvent(.grantFirstUse, by: operatorActor.withoutDetails)
                var isChanged = false
                for use in uses {
                    guard let (row, leaf) = try transaction.load(GrantRow.self, use.grant.rawValue),
                        row.generation == use.generation, row.firstUsedAt == nil,
                        transaction.serving.elapsed(since: row.swappedAt) < Limits.retryWindow
                    else { continue }
                    var used = row
                    used.firstUsedAt = use.at
                    try transaction.updateUnhashed(used, leaf: leaf, guardedBy: Int64(row.generation))
                    isChanged = true
                    // Of an erased owner there is nothing left to find it by.
                    if let owner = try transaction.owner(row.owner) {
                        event.grants.append((use.grant.rawValue, owner.pseudonym))
                    }
                }
                return isChanged ? Audited((), event) : .unchanged(())
            }
            firstUses.remove(uses)
        }
    }
}

/// First uses of current token pairs that this process saw and has not written to the rows yet. The retry
/// window closes the moment a use is seen; the row follows within a second or so.
package final class FirstUses: Sendable {
    private let seen = Mutex<[GrantID: (generation: UInt32, at: VaultInstant)]>([:])

    package init() {}

    // A flood of first uses falls back to rows that stay open until the window ends: safe, only later.
    private static let capacity = 100_000

    func note(_ grant: GrantID, _ generation: UInt32, at now: VaultInstant) {
        seen.withLock { seen in
            guard seen.count < Self.capacity, seen[grant]?.generation != generation else { return }
            seen[grant] = (generation, now)
        }
    }

    func contains(_ grant: GrantID, _ generation: UInt32) -> Bool {
        seen.withLock { $0[grant]?.generation == generation }
    }

    /// Up to `limit` uses to be written.
    func batch(_ limit: Int) -> [(grant: GrantID, generation: UInt32, at: VaultInstant)] {
        seen.withLock { seen in seen.prefix(limit).map { ($0.key, $0.value.generation, $0.value.at) } }
    }

    /// Forgets uses that have been written, or that no longer matter.
    func remove(_ written: [(grant: GrantID, generation: UInt32, at: VaultInstant)]) {
        seen.withLock { seen in
            for use in written where seen[use.grant]?.generation == use.generation { seen[use.grant] = nil }
        }
    }
}
