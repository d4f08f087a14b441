import Synchronization
import TokenVault
import VaultCore

/// What is under way, what sits out, and what each provider bears.
final class DueWork: Sendable {
    private struct State {
        var busy: Set<ConnectionID> = []
        /// On the monotonic clock.
        var restingUntil: [ConnectionID: Duration] = [:]
        var providers: [ProviderID: Pace] = [:]
        var turn = 0
    }

    /// How one provider is called.
    private struct Pace {
        var calls = 0
        var bucket: TokenBucket?
        /// Of them, those for connections that were refused last time: they never take the place of the others.
        var refused: Set<ConnectionID> = []
        /// Turns in a row without an answer, or with a busy provider's. From a few on the provider is probed
        /// by one call at a time, seldom: its outage writes no entries for every connection. A refusal is an
        /// answer: the provider is there.
        var failures = 0
        var probesFrom = Duration.zero
    }

    private static let failuresBeforeProbing = 8
    private static let rest = Duration.seconds(60)

    private let limits: KeeperService.Limits
    private let state = Mutex(State())

    init(_ limits: KeeperService.Limits) { self.limits = limits }

    /// The same providers, another one first each time.
    func inTurn(_ providers: [StoredProvider]) -> [StoredProvider] {
        guard !providers.isEmpty else { return [] }
        let first = state.withLock { state in
            state.turn += 1
            return state.turn % providers.count
        }
        return Array(providers[first...] + providers[..<first])
    }

    /// Connections that have their turn now, or sit out.
    func others(at now: Duration) -> Set<ConnectionID> {
        state.withLock { state in
            state.restingUntil = state.restingUntil.filter { $0.value > now }
            return state.busy.union(state.restingUntil.keys)
        }
    }

    /// How many calls to a provider may begin.
    func room(for provider: KnownProvider, at now: Duration) -> Int {
        state.withLock { state in
            var pace = state.providers[provider.id] ?? Pace()
            defer { state.providers[provider.id] = pace }
            var room = min(limits.calls - state.busy.count, limits.callsPerProvider - pace.calls)
            if let limit = provider.provider.rateLimit {
                var bucket = pace.bucket ?? TokenBucket(limit, at: now)
                room = min(room, bucket.room(at: now))
                pace.bucket = bucket
            }
            if pace.failures >= Self.failuresBeforeProbing {
                room = min(room, pace.calls == 0 && now >= pace.probesFrom ? 1 : 0)
            }
            return room
        }
    }

    /// How many of them may be for connections that were refused last time.
    func roomForRefused(at provider: KnownProvider) -> Int {
        state.withLock { state in
            max(1, limits.callsPerProvider / 2) - (state.providers[provider.id]?.refused.count ?? 0)
        }
    }

    func begin(_ id: ConnectionID, _ provider: KnownProvider, wasRefused: Bool) {
        state.withLock { state in
            state.busy.insert(id)
            var pace = state.providers[provider.id] ?? Pace()
            pace.calls += 1
            pace.bucket?.take()
            if wasRefused { pace.refused.insert(id) }
            state.providers[provider.id] = pace
        }
    }

    func end(_ id: ConnectionID, _ provider: KnownProvider, _ outcome: TurnOutcome, at now: Duration) {
        state.withLock { state in
            state.busy.remove(id)
            if case .stuck = outcome { state.restingUntil[id] = now + Self.rest }
            var pace = state.providers[provider.id] ?? Pace()
            pace.calls -= 1
            pace.refused.remove(id)
            switch outcome {
            case .done: pace.failures = 0
            case .failed:
                pace.failures += 1
                let beyond = max(0, pace.failures - Self.failuresBeforeProbing)
                pace.probesFrom = now + .seconds(min(1 << min(beyond, 6), 60))
            case .stuck: break
            }
            state.providers[provider.id] = pace
        }
    }
}

/// So many requests in a period, spread over it; a tenth of them may come at once.
struct TokenBucket: Sendable {
    private let rate: Double
    private let capacity: Double
    private var level: Double
    private var last: Duration

    init(_ limit: Provider.RateLimit, at now: Duration) {
        rate = Double(limit.requests) / max(0.001, Double(limit.period.milliseconds) / 1000)
        capacity = max(1, Double(limit.requests) / 10)
        level = capacity
        last = now
    }

    /// How many requests may go out now.
    mutating func room(at now: Duration) -> Int {
        let elapsed = max(0, Double((now - last).milliseconds) / 1000)
        level = min(capacity, level + elapsed * rate)
        last = now
        return Int(level)
    }

    mutating func take() { level -= 1 }
}
