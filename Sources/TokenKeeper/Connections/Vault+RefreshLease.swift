import TokenVault
package import VaultCore
import VaultCrypto

/// Whether a refresh token may go out again after a send whose outcome is not known.
package enum ReplayAllowance: Sendable, Equatable {
    case always
    /// So long after the first send; some of it is kept back, because a request takes its time.
    case within(Duration)
    case never

    /// - Parameter age: nil where the clocks cannot tell.
    func permits(age: Duration?) -> Bool {
        switch self {
        case .always: return true
        case .never: return false
        case .within(let window):
            guard let age else { return false }
            return age < window - min(window / 4, .seconds(30))
        }
    }
}

/// A worker's wish to refresh.
package struct LeaseRequest: Sendable {
    package var connection: ConnectionID
    /// The one the worker found wanting.
    package var generation: Int64
    /// As the worker read them: when there are more by now, another tried and failed meanwhile.
    package var failures: Int64
    /// Names the one refresh that asks.
    package var holder: [UInt8]
    /// Longer than the call may take.
    package var span: Duration
    package var replay: ReplayAllowance
    /// Also where the connection needs consent: an operator asks, or the refresh token may have healed.
    package var isForced: Bool

    package init(
        _ connection: ConnectionID, generation: Int64, failures: Int64, holder: [UInt8], span: Duration,
        replay: ReplayAllowance, isForced: Bool = false
    ) {
        self.connection = connection
        self.generation = generation
        self.failures = failures
        self.holder = holder
        self.span = span
        self.replay = replay
        self.isForced = isForced
    }
}

package enum LeaseAnswer: Sendable {
    /// The intent is on the disk: the token may go out.
    case leased(HeldConnection)
    /// Another worker is at it, for so long at most.
    case held(HeldConnection, remaining: Duration)
    /// There is nothing to do, now or any more: a newer generation, another's failure, a provider that is stopped and not probed, or
    /// the end of the connection.
    case moved(HeldConnection)
    /// The token went out once and must not again: the connection now needs consent.
    case lost(HeldConnection)
}

extension Vault {
    /// Writes the intent to spend the connection's refresh token, and takes the lease on it (transaction 1 of
    /// 2). Durable when it returns, so a crash from now on is known as an attempt whose outcome is not.
    ///
    /// A refresh that was not told whether it has the lease may ask again: it has sent nothing, and a lease that it has is
    /// renewed.
    ///
    /// - Throws: ``VaultError/Code/busy``, ``VaultError/Code/outOfSpace`` before anything was sent;
    ///   ``VaultError/Code/outcomeUnknown``.
    package func leaseRefresh(_ request: LeaseRequest) async throws -> LeaseAnswer {
        // Without a leaf where nothing changes: who waits for another's lease asks often.
        try await queue.submit(.newWork, reading: [.connection(request.connection)]) {
            [operatorActor = operatorActor.withoutDetails] transaction in
            var row = try transaction.connection(request.connection)
            let owner = try transaction.owner(of: row)
            let held = try HeldConnection(row, owner, transaction.keyring)
            guard row.generation == request.generation, row.pair != nil || row.kind == .clientCredentials,
                row.state.isRefreshed || (request.isForced && row.state == .needsConsent)
            else { return .unchanged(.moved(held)) }
            // The commit was made, and its answer did not come. It is made once more: what one server shows after a crash may
            // not be on the next.
            let isRenewal = row.lease?.holder == request.holder
            if !isRenewal {
                if let remaining = row.lease?.remaining(at: transaction.monotonic) {
                    return .unchanged(.held(held, remaining: remaining))
                }
                guard row.failures <= request.failures, try transaction.admitCall(to: row.provider) else {
                    return .unchanged(.moved(held))
                }
            }
            // Client credentials are asked for again and again; nothing is spent.
            let spent = row.kind == .consent ? held.pair.map { $0.refreshToken ?? $0.accessToken } : nil
            // One send of two was another's.
            if let attempt = row.attempt, spent != nil, !isRenewal || attempt.sends > 1 {
                let age = attempt.age(at: transaction.now, monotonic: transaction.monotonic)
                guard request.replay.permits(age: age) else {
                    let reason = row.state.reasonOfLoss("lost-response")
                    row.state = .needsConsent
                    row.reason = "lost-response"
                    row.lease = nil
                    row.dueAt = nil
                    try transaction.update(row)
                    let event = AuditEvent(
                        .connectionRefresh, row, .refused, by: operatorActor, reason: reason)
                    return Audited(.lost(held.following(row)), event)
                }
            }
            row.fence += 1
            // Should this worker die, a service looks again when the lease is over.
            if row.state.isRefreshed { row.dueAt = transaction.now.advanced(by: request.span) }
            row.lease = RefreshLease(
                holder: request.holder, until: transaction.monotonic.advanced(by: request.span))
            if let spent {
                row.attempt =
                    row.attempt
                    ?? RefreshAttemptRecord(
                        startedAt: transaction.now, monotonic: transaction.monotonic,
                        fingerprint: TokenFingerprint.of(spent), sends: 0)
                row.attempt?.sends += isRenewal ? 0 : 1
            }
            try transaction.update(row)
            let reason = (row.attempt?.sends ?? 1) > 1 ? "again" : nil
            var event = AuditEvent(.connectionIntent, row, by: operatorActor, reason: reason, of: owner)
            event.fingerprint = row.attempt?.fingerprint
            return Audited(.leased(held.following(row)), event)
        }
    }
}

extension RefreshLease {
    /// How long it holds others off; nil where it is over, or was given on another clock.
    func remaining(at now: ClockReading) -> Duration? {
        until.milliseconds(since: now).flatMap { $0 > 0 ? .milliseconds($0) : nil }
    }
}

extension RefreshAttemptRecord {
    /// How long ago the token went out: the longer of what the clocks say, and nil where they cannot tell.
    package func age(at now: VaultInstant, monotonic: ClockReading) -> Duration? {
        guard let passed = monotonic.milliseconds(since: self.monotonic) else {
            return now >= startedAt ? now.elapsed(since: startedAt) : nil
        }
        return max(now.elapsed(since: startedAt), .milliseconds(max(0, passed)))
    }
}
