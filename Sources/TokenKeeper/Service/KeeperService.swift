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
    private let limits: Limits

    /// How much is done at one time.
    public struct Limits: Sendable {
        /// Calls under way, to all providers together.
        public var calls = 32
        /// Calls under way to one provider.
        public var callsPerProvider = 8
        /// Between two looks at what is due.
        public var interval = Duration.seconds(1)

        public init() {}
    }

    public init(_ keeper: TokenKeeper, limits: Limits = Limits()) {
        self.keeper = keeper
        self.limits = limits
    }

    public func run() async throws {
        let work = DueWork(limits)
        // The group ends with what is under way: a call that was sent wants its answer stored.
        await withDiscardingTaskGroup { group in
            group.addTask { await WebhookDelivery(keeper: keeper, interval: limits.interval).run() }
            while !Task.isCancelled, !Task.isShuttingDownGracefully {
                let pause = round(work, &group) ? Duration.milliseconds(20) : limits.interval
                try? await cancelWhenGracefulShutdown { try await Task.sleep(for: pause) }
            }
        }
    }

    /// Starts what is due and fits.
    ///
    /// - Returns: whether more is due than fitted.
    private func round(_ work: DueWork, _ group: inout DiscardingTaskGroup) -> Bool {
        do {
            let busy = work.busy
            guard busy.count < limits.calls else { return true }
            let now = keeper.clock.now()
            let due = try keeper.vault.connectionsDue(at: now, limit: 4 * limits.calls, except: busy).due
            var isMore = false
            for (id, providerID) in due {
                let provider = try keeper.providers.provider(providerID, in: keeper.vault)
                guard !provider.isStopped else { continue }
                guard work.begin(id, provider, at: keeper.clock.monotonic()) else {
                    isMore = true
                    continue
                }
                group.addTask {
                    await keeper.attend(to: id, provider)
                    work.end(id, provider)
                }
            }
            return isMore
        } catch {
            keeper.logger.warning(
                "What is due could not be read; it is tried again.", metadata: ["error": "\(error)"])
            return false
        }
    }
}

/// What is under way, and what each provider bears.
private final class DueWork: Sendable {
    private struct State {
        var busy: Set<ConnectionID> = []
        var calls: [ProviderID: Int] = [:]
        var buckets: [ProviderID: TokenBucket] = [:]
    }

    private let limits: KeeperService.Limits
    private let state = Mutex(State())

    init(_ limits: KeeperService.Limits) { self.limits = limits }

    var busy: Set<ConnectionID> { state.withLock(\.busy) }

    func begin(_ id: ConnectionID, _ provider: KnownProvider, at now: Duration) -> Bool {
        state.withLock { state in
            guard state.busy.count < limits.calls,
                state.calls[provider.id, default: 0] < limits.callsPerProvider
            else { return false }
            if let limit = provider.provider.rateLimit {
                var bucket = state.buckets[provider.id] ?? TokenBucket(limit, at: now)
                let isTaken = bucket.take(at: now)
                state.buckets[provider.id] = bucket
                guard isTaken else { return false }
            }
            state.busy.insert(id)
            state.calls[provider.id, default: 0] += 1
            return true
        }
    }

    func end(_ id: ConnectionID, _ provider: KnownProvider) {
        state.withLock { state in
            state.busy.remove(id)
            state.calls[provider.id, default: 1] -= 1
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

    mutating func take(at now: Duration) -> Bool {
        let elapsed = max(0, Double((now - last).milliseconds) / 1000)
        level = min(capacity, level + elapsed * rate)
        last = now
        guard level >= 1 else { return false }
        level -= 1
        return true
    }
}

extension TokenKeeper {
    /// One connection's turn: revoke it, or refresh it.
    package func attend(to id: ConnectionID, _ provider: KnownProvider) async {
        do {
            let held = try vault.heldConnection(id)
            if held.connection.state == .revoking {
                _ = try await revokeThere(held, provider)
            } else if held.connection.state == .live {
                _ = await refresh(held, provider)
            }
        } catch let error as VaultError where error.code == .notFound {
            // Removed between the look and the turn.
        } catch {
            logger.warning("A connection's turn failed.", metadata: ["error": "\(error)"])
        }
    }
}
