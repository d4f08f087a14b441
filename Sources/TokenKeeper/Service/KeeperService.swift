import Logging
public import ServiceLifecycle
import Synchronization
import TokenVault
package import VaultCore

/// Refreshes ahead of expiry, recovers what a crash left behind, revokes at providers what was given up here, and tells
/// webhooks of it all.
///
/// Add it to the service's group. Several processes may each run one on the same vault.
///
/// ```swift
/// let group = ServiceGroup(services: [server, KeeperService(keeper)], logger: logger)
/// ```
public struct KeeperService: Service {
    private let keeper: TokenKeeper
    private let configuration: KeeperServiceConfiguration

    public init(
        _ keeper: TokenKeeper, configuration: KeeperServiceConfiguration = KeeperServiceConfiguration()
    ) {
        self.keeper = keeper
        self.configuration = configuration
    }

    public func run() async throws {
        let work = DueWork(configuration)
        // The group ends with what is under way: a call that was sent wants its answer stored.
        await withDiscardingTaskGroup { group in
            group.addTask { await WebhookDelivery(keeper: keeper, interval: configuration.interval).run() }
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                let pause = await round(work, &group) ? Duration.milliseconds(20) : configuration.interval
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: pause) }
            }
        }
        await keeper.finish()
    }

    /// Starts what is due and fits, provider by provider, another one first each time.
    ///
    /// - Returns: whether more would be done if calls in flight ended.
    private func round(_ work: DueWork, _ group: inout DiscardingTaskGroup) async -> Bool {
        let stored: [StoredProvider]
        do { stored = try await keeper.vault.providers() } catch {
            note("What is due could not be read; this is retried.", error)
            return false
        }
        var isMore = false
        for provider in work.inTurn(stored) {
            // One provider's trouble is not the others'.
            do {
                switch provider.state {
                case .active: if try await begin(provider, work, &group) { isMore = true }
                case .stopped: try await probe(provider, work, &group)
                }
            } catch { note("What is due at a provider could not be read; this is retried.", error) }
        }
        return isMore
    }

    private func begin(
        _ stored: StoredProvider, _ work: DueWork, _ group: inout DiscardingTaskGroup
    ) async throws -> Bool {
        let provider = try keeper.knownProvider(stored)
        let monotonic = keeper.clock.monotonic()
        let room = work.room(for: provider, at: monotonic)
        guard room > 0 else { return false }
        let now = keeper.clock.now()
        let others = work.others(at: monotonic)
        let due = try await keeper.vault.connectionsDue(
            at: provider.id, by: now, wereRefused: false, limit: room, except: others)
        // Connections that are refused one by one, however many, hold up none that is not.
        let refused = try await keeper.vault.connectionsDue(
            at: provider.id, by: now, wereRefused: true,
            limit: min(room - due.count, work.roomForRefused(at: provider)), except: others)
        for id in due { begin(id, provider, wasRefused: false, work, &group) }
        for id in refused { begin(id, provider, wasRefused: true, work, &group) }
        return due.count == room
    }

    /// Calls a stopped provider for one connection, once in a while, to see whether it takes our client again.
    private func probe(
        _ stored: StoredProvider, _ work: DueWork, _ group: inout DiscardingTaskGroup
    ) async throws {
        guard stored.probeWait(at: keeper.clock.now()) == nil else { return }
        let provider = try keeper.knownProvider(stored)
        let monotonic = keeper.clock.monotonic()
        guard work.room(for: provider, at: monotonic) > 0,
            let id = try await keeper.vault.connectionToProbe(provider.id, except: work.others(at: monotonic))
        else { return }
        begin(id, provider, wasRefused: true, work, &group)
    }

    private func begin(
        _ id: ConnectionID, _ provider: KnownProvider, wasRefused: Bool, _ work: DueWork,
        _ group: inout DiscardingTaskGroup
    ) {
        work.begin(id, provider, wasRefused: wasRefused)
        group.addTask {
            let outcome = await keeper.attend(to: id, provider)
            work.end(id, provider, outcome, at: keeper.clock.monotonic())
        }
    }

    private func note(_ message: Logger.Message, _ error: any Error) {
        keeper.logger.warning(message, metadata: ["error": "\(error)"])
    }
}

/// The settings of a ``KeeperService``.
public struct KeeperServiceConfiguration: Sendable {
    /// The maximum number of calls in flight, to all providers together.
    public var calls = 32
    /// The maximum number of calls in flight to one provider.
    public var callsPerProvider = 8
    /// The pause between two searches for due work.
    public var interval = Duration.seconds(1)

    public init() {}
}

/// How a connection's turn ended, for planning the next.
package enum TurnOutcome: Sendable {
    /// The provider answered, if with a refusal.
    case done
    /// It did not answer, or is busy.
    case failed
    /// The vault did not let it happen: the connection sits out for a while.
    case stuck
}

extension TokenKeeper {
    /// One connection's turn: revoke it, or refresh it.
    @discardableResult
    package func attend(to id: ConnectionID, _ provider: KnownProvider) async -> TurnOutcome {
        do {
            let held = try await vault.heldConnection(id)
            switch held.connection.state {
            case .revoking:
                return try await revokeThere(held, provider) ? .done : .failed
            case .live where held.isOwnerRemoved, .failing where held.isOwnerRemoved:
                // The process that removed the user did not get this far.
                _ = try await revoke(id)
                return .done
            case .live, .failing:
                switch await refresh(held, provider) {
                case .refreshed, .current, .refused: return .done
                // The row has the last word also where another process had it.
                case .failed(let held): return LeafReason.isOutage(held.connection.reason) ? .failed : .done
                case .storage: return .stuck
                }
            case .needsConsent, .revoked:
                return .stuck
            }
        } catch let error as VaultError where error.code == .notFound {
            // Removed between the look and the turn.
            return .done
        } catch {
            logger.warning("A connection's turn failed.", metadata: ["error": "\(error)"])
            return .stuck
        }
    }
}

/// The calls in flight, the connections that pause, and the limits of each provider.
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

    private let configuration: KeeperServiceConfiguration
    private let state = Mutex(State())

    init(_ configuration: KeeperServiceConfiguration) { self.configuration = configuration }

    /// The providers, another one first each time.
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
            var room = min(
                configuration.calls - state.busy.count, configuration.callsPerProvider - pace.calls)
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
            max(1, configuration.callsPerProvider / 2) - (state.providers[provider.id]?.refused.count ?? 0)
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

/// A number of requests in a period, spread over it; a tenth of them may come at once.
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
