import TokenVault
public import VaultCore
import VaultStore

/// The time of the log beside the wall clock. The log's time never goes back by itself: one entry that was written while
/// the clock was ahead holds it there.
public struct LogTime: Sendable, Equatable {
    /// Log's time of the newest entry.
    public let log: VaultInstant
    public let wall: VaultInstant

    public var isAhead: Bool { log > wall }
}

extension VaultLog {
    /// The log's time, and the clock's.
    public func time() async throws -> LogTime {
        let wall = vault.clock.now()
        return try await vault.read { LogTime(log: try LogHead.read($0).lastTime, wall: wall) }
    }

    /// Sets the log's time back to the wall clock, by one entry (`audit.set-time`), at which verifying accepts that
    /// time goes back; nowhere else.
    ///
    /// - Parameter reason: 1 to 256 bytes; kept sealed beside the log.
    /// - Throws: ``VaultError/Code/denied`` where the log's time is not ahead of the clock.
    public func setTime(reason: String) async throws {
        try NameRules.check(reason, what: "reason")
        try await vault.write { transaction in
            guard transaction.logTime > transaction.now else {
                throw VaultError(
                    .denied, "The log's time is not ahead of the clock: there is nothing to correct.")
            }
            var event = AuditEvent(.auditSetTime, by: vault.operatorActor)
            event.setsTime = true
            event.personal = PersonalData(owner: .system, data: Array(reason.utf8))
            return Audited((), event)
        }
    }
}

extension WriteTransaction {
    /// Log's time of the last entry, including those of this batch.
    fileprivate var logTime: VaultInstant {
        collected.entries.contains(where: \.event.setsTime) ? now : max(committed.lastTime, now)
    }
}
