import Synchronization
import VaultCore

/// Keeps what others can cause at will from filling the log. What strangers cause is counted, and the counts are written ten
/// times at once and then once a minute; so is what else found no room.
///
/// Whether a stranger's request waits for a write does not depend on what it names: it would tell what there is.
final class RefusalLimiter: Sendable {
    private struct State {
        var allowance = RefusalAllowance()
        var strangers = Bucket(interval: Limits.foldedRefusalInterval)
        var folded = FoldedRefusals()
    }

    private let state = Mutex(State())

    /// As of the last commit.
    var allowance: RefusalAllowance { state.withLock { $0.allowance } }

    /// What a batch wrote and counted is committed.
    func settle(_ allowance: RefusalAllowance) {
        state.withLock { state in
            state.folded.add(allowance.folded)
            state.allowance = allowance
            state.allowance.folded = FoldedRefusals()
        }
    }

    func count(_ event: AuditEvent) { state.withLock { $0.folded.add(event) } }

    /// Counts what could not be written.
    func count(_ folded: FoldedRefusals) { state.withLock { $0.folded.add(folded) } }

    /// What is to be written now; nil: nothing was counted, or it is too early.
    func take(at now: Duration, isLast: Bool) -> FoldedRefusals? {
        state.withLock { state in
            guard !state.folded.isEmpty, isLast || state.strangers.hasRoom(at: now) else { return nil }
            state.strangers.take(at: now)
            defer { state.folded = FoldedRefusals() }
            return state.folded
        }
    }
}

/// What may still be written of refusals to holders of something authentic: ten at once, then one a second, and of the same
/// token or client one a minute.
///
/// Changed by the writer's thread alone, in a copy that counts once its batch is committed.
struct RefusalAllowance: Sendable {
    private struct Case: Hashable {
        let operation: AuditOperation
        let reason: String?
        let actor: Pseudonym?
        let generation: UInt32?
        let fingerprint: [UInt8]?

        init(_ event: AuditEvent) {
            (operation, reason, actor) = (event.operation, event.reason, event.actor.pseudonym)
            (generation, fingerprint) = (event.generation, event.fingerprint)
        }
    }

    private var bucket = Bucket(interval: Limits.auditedRefusalInterval)
    private var written: Set<Case> = []
    private var forgottenAt = Duration.zero
    /// What this batch did not write.
    var folded = FoldedRefusals()

    func admits(_ event: AuditEvent, at now: Duration) -> Bool {
        bucket.hasRoom(at: now) && (now >= forgottenAt || !written.contains(Case(event)))
    }

    /// The events to write.
    mutating func admit(_ events: [AuditEvent], at now: Duration) -> [AuditEvent] {
        events.filter { event in
            guard event.isLimited else { return true }
            guard admits(event, at: now) else {
                folded.add(event)
                return false
            }
            if now >= forgottenAt {
                written = []
                forgottenAt = now + Limits.foldedRefusalInterval
            }
            written.insert(Case(event))
            bucket.take(at: now)
            return true
        }
    }
}

/// Lets some through at once, and then one in each interval.
private struct Bucket: Sendable {
    let interval: Duration
    /// When as many as ever may come at once again.
    private var restedAt = Duration.zero

    init(interval: Duration) { self.interval = interval }

    func hasRoom(at now: Duration) -> Bool {
        restedAt - now <= interval * (Limits.auditedRefusalsAtOnce - 1)
    }

    mutating func take(at now: Duration) { restedAt = max(restedAt, now) + interval }
}
