import Foundation
import Logging
public import ServiceLifecycle
import Synchronization
import TokenRotation
import VaultCore
import VaultCrypto
import VaultStore

/// Upkeep while a process serves: heartbeat (so that an outage does not use up anybody's retry window), first
/// uses, counts of refusals, the ballast, codes that were not redeemed, the comparison of every row with the log, and
/// the pruning of entries that are over the log's bounds.
///
/// Add it to the service's group; `IssuerServer` runs one of its own.
///
/// ```swift
/// let group = ServiceGroup(services: [server, VaultMaintenance(vault)], logger: logger)
/// ```
public struct VaultMaintenance: Service {
    private let vault: Vault
    private let retention: LogRetention

    /// - Parameter retention: how much of the log is kept.
    public init(_ vault: Vault, keeping retention: LogRetention = .standard) {
        self.vault = vault
        self.retention = retention
    }

    public func run() async throws {
        vault.warnOfUnlockedKeys()
        try await vault.beginServing()
        try? await cancelWhenGracefulShutdown {
            try await withThrowingTaskGroup { group in
                // Anchors may be slow: nothing else waits for them.
                group.addTask { try await everySecond { _ in await tellAnchors(AnchorKind.local) } }
                group.addTask { try await everySecond { _ in await tellAnchors([.witness]) } }
                group.addTask { try await everySecond { await upkeep(heartbeat: $0.isMultiple(of: 5)) } }
                group.addTask { try await vault.watchRows() }
                group.addTask { try await purgeCodes() }
                group.addTask { try await keepLogInBounds() }
                try await group.waitForAll()
            }
        }
    }

    private func everySecond(_ body: (Int) async -> Void) async throws {
        var turns = 0
        while !Task.isCancelled {
            try await Task.sleep(for: .seconds(1))
            turns += 1
            await body(turns)
        }
    }

    /// An anchor that fails is counted and tried again, ever more rarely; `doctor` speaks of it.
    private func tellAnchors(_ kinds: Set<AnchorKind>) async {
        do { try await vault.anchorNewCheckpoints(kinds) } catch {
            vault.logger.warning("Anchors could not be told.", metadata: ["error": "\(error)"])
        }
    }

    /// Looks once a minute; all the grants there are first, in steps of a second.
    private func purgeCodes() async throws {
        var last: Int64 = 0
        while !Task.isCancelled {
            var seen = last
            do { seen = try await vault.purgeUnredeemedCodes(after: last) } catch {
                vault.logger.warning("Old codes could not be deleted.", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: .seconds(seen == last ? 60 : 1))
            last = seen
        }
    }

    /// Looks once an hour, and again soon while there is more, or while rows were not compared with the log yet.
    private func keepLogInBounds() async throws {
        while !Task.isCancelled {
            var hasMore = false
            do {
                hasMore = try await vault.keepLogInBounds(retention) {
                    try await Task.sleep(for: .milliseconds(200))
                }
            } catch let error as VaultError {
                vault.logger.warning(
                    "The log could not be kept in bounds.", metadata: ["error": "\(error)"])
            }
            try await Task.sleep(for: .seconds(hasMore ? 1 : vault.rowPasses == 0 ? 60 : 3600))
        }
    }

    /// Trouble here is trouble for everybody and reported there; upkeep itself just tries again.
    private func upkeep(heartbeat: Bool) async {
        vault.store.keepUp()
        do {
            try await vault.flushFirstUses()
            try await vault.writeRefusals()
            if heartbeat { try await vault.proveWritePath() }
        } catch {
            vault.logger.warning("Upkeep failed; it is tried again.", metadata: ["error": "\(error)"])
        }
    }
}

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
    /// A vault that is not what was written is served as well: every caller is told so, and that tells more than a
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

    /// Writes the heartbeat: proves that the write path works, without a leaf.
    public func proveWritePath() async throws {
        if let refusal = store.refusalOfNewWork() { throw refusal }
        try await housekeep { transaction in
            transaction.changeVault { $0.beat(at: transaction.now, monotonic: transaction.monotonic) }
        }
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
final class FirstUses: Sendable {
    private let seen = Mutex<[GrantID: (generation: UInt32, at: VaultInstant)]>([:])

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
