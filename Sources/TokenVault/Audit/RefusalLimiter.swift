import Synchronization
import VaultCore

/// Who can cause a refusal, which decides how it is kept from filling the log.
package enum RefusalOrigin: Sendable, CaseIterable {
    /// Anybody on the network, without any credential.
    case anybody
    /// Who holds an authentic token or code: the noise of strangers must not drown these.
    case tokenHolder
}

/// Keeps refusals that others can cause at will from filling the log: of each origin some at once and then one a second;
/// the rest is counted, and the count goes into the next one written.
final class RefusalLimiter: Sendable {
    private struct State {
        /// When as many as ever may come at once again.
        var restedAt = Duration.zero
        var suppressed = 0

        func isFull(at monotonic: Duration) -> Bool {
            restedAt - monotonic > Limits.auditedRefusalInterval * (Limits.auditedRefusalsAtOnce - 1)
        }
    }

    private let states = Mutex<[RefusalOrigin: State]>([:])

    /// Whether there is room now, without taking it: asked before a write is queued for nothing.
    func hasRoom(_ origin: RefusalOrigin, at monotonic: Duration) -> Bool {
        states.withLock { states in
            var state = states[origin] ?? State()
            let isFull = state.isFull(at: monotonic)
            if isFull { state.suppressed += 1 }
            states[origin] = state
            return !isFull
        }
    }

    /// The events to write.
    func admit(_ events: [AuditEvent], at monotonic: Duration) -> [AuditEvent] {
        guard events.contains(where: { $0.refusalOrigin != nil }) else { return events }
        return states.withLock { states in
            events.compactMap { event in
                guard let origin = event.refusalOrigin else { return event }
                var state = states[origin] ?? State()
                defer { states[origin] = state }
                guard !state.isFull(at: monotonic) else {
                    state.suppressed += 1
                    return nil
                }
                state.restedAt = max(state.restedAt, monotonic) + Limits.auditedRefusalInterval
                var event = event
                if state.suppressed > 0 { event.count = state.suppressed }
                state.suppressed = 0
                return event
            }
        }
    }
}
