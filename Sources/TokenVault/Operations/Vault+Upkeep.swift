import Logging
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
        let isFirst = try await BlockingThread.result { [store] in try store.beginServing() }
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

    /// Reads from a store behind a network. Where that cannot vouch for what it showed any more, something is committed first,
    /// which only the server that the others use acknowledges, and all is read again.
    ///
    /// - Throws: ``VaultError/Code/unavailable`` where that is not acknowledged: a server that was replaced would go on
    ///   calling revoked tokens valid, and sessions open.
    func vouched<Result>(_ read: () async throws -> Result) async throws -> Result {
        let result = try await read()
        if store.vouchesForReads { return result }
        let unconfirmed = VaultError(
            .unavailable, "The database server has not confirmed a commit for a while.",
            remedy: "Try again in a moment; check the server and its standbys.")
        do {
            try await housekeep { [proof = store.proof] transaction in proof.forEach { transaction.put($0) } }
        } catch let error as VaultError where error.code == .outcomeUnknown { throw unconfirmed }
        let again = try await read()
        guard store.vouchesForReads else { throw unconfirmed }
        return again
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
