import Synchronization
import VaultCore

/// Keeps refusals that anybody on the network can cause from filling the log: so many a second, the rest is counted
/// and the count goes into the next one written.
final class RefusalLimiter: Sendable {
    private struct State {
        var second: Int64 = -1
        var admitted = 0
        var suppressed = 0
    }

    private let state = Mutex(State())

    /// Whether there is room now, without taking it: asked before a write is queued for nothing.
    func hasRoom(at monotonic: Duration) -> Bool {
        state.withLock { state in
            let isFull = state.second == monotonic.components.seconds && state.admitted >= Limits.auditedRefusalsPerSecond
            if isFull { state.suppressed += 1 }
            return !isFull
        }
    }

    /// The events to write.
    func admit(_ events: [AuditEvent], at monotonic: Duration) -> [AuditEvent] {
        guard events.contains(where: \.isRateLimited) else { return events }
        return state.withLock { state in
            events.compactMap { event in
                guard event.isRateLimited else { return event }
                if state.second != monotonic.components.seconds {
                    state.second = monotonic.components.seconds
                    state.admitted = 0
                }
                guard state.admitted < Limits.auditedRefusalsPerSecond else {
                    state.suppressed += 1
                    return nil
                }
                state.admitted += 1
                var event = event
                if state.suppressed > 0 { event.count = state.suppressed }
                state.suppressed = 0
                return event
            }
        }
    }
}
