import Foundation
import Logging
package import Metrics
import Synchronization
public import TokenVault
package import Tracing
import VaultCore

/// Holds the tokens that providers gave us for our users, and refreshes them.
///
/// ```swift
/// let keeper = TokenKeeper(vault: vault, transport: transport)
/// switch try await keeper.accessToken(for: connection, validFor: .seconds(90)) {
/// case .ready(let token): use(token)
/// case .needsConsent(let need): ask(need)
/// case .unavailable(let retryAfter, _): wait(retryAfter)
/// }
/// ```
///
/// Safe to use from any task, and by several processes on one vault: one of them refreshes, the others take its result.
/// Run a ``KeeperService`` beside it to have tokens refreshed before anybody needs them.
public final class TokenKeeper: Sendable {
    public let vault: Vault
    package let configuration: KeeperConfiguration
    let transport: any ProviderTransport
    let clock: any VaultClock
    let logger: Logger
    /// Entries as last read.
    let providers = Mutex<[ProviderID: KnownProvider]>([:])
    let tokens = KnownTokens()
    let metrics: KeeperMetrics
    private let chosenTracer: (any Tracer)?
    /// Webhooks to which this process is delivering.
    let busyWebhooks = Mutex<Set<Int64>>([])
    let refreshes = Mutex<[ConnectionID: Task<RefreshOutcome, Never>]>([:])
    /// Exchanges of codes; each ends when its outcome is stored.
    let exchanges = Mutex<[UUID: Task<Void, Never>]>([:])

    /// - Parameter transport: `AsyncHTTPTransport` of `ProviderHTTP`, or a scripted one in tests.
    public init(
        vault: Vault, transport: any ProviderTransport,
        configuration: KeeperConfiguration = KeeperConfiguration()
    ) {
        self.vault = vault
        self.transport = transport
        self.configuration = configuration
        clock = vault.clock
        logger = vault.logger
        metrics = KeeperMetrics(configuration.metrics)
        chosenTracer = configuration.tracer
    }

    var tracer: any Tracer { chosenTracer ?? InstrumentationSystem.tracer }

    func schedule(_ provider: KnownProvider) -> RefreshSchedule {
        RefreshSchedule(margin: configuration.refreshMargin, rules: provider.provider.expiry)
    }
}

/// The settings of a keeper.
public struct KeeperConfiguration: Sendable {
    /// Tokens are refreshed this long before they expire, or a quarter of their life if that is less.
    public var refreshMargin = Duration.seconds(300)
    /// The time until a provider's last byte; the lease on a refresh lasts half as long again.
    public var callTimeout = Duration.seconds(30)
    /// Waits; tests put their own clock here.
    package var pause: @Sendable (Duration) async -> Void = { try? await Task.sleep(for: $0) }
    /// Nil: what the program has set up, as with the next.
    package var metrics: (any MetricsFactory)?
    package var tracer: (any Tracer)?

    public init() {}

    var leaseSpan: Duration { callTimeout * 3 / 2 }
}

/// Tokens that were valid when last looked at: a question asked 200,000 times a second is not asked of the disk each time.
///
/// What another process did to a connection (revoked it, refreshed it) is seen within ``span``; what this one did at once.
final class KnownTokens: Sendable {
    struct Entry: Sendable {
        let token: HeldAccessToken
        /// Nil: it never grows stale.
        let staleAt: VaultInstant?
        /// On the monotonic clock.
        let lookedAt: Duration
    }

    static let span = Duration.milliseconds(200)
    // 100,000 tokens of 1 KiB take about 130 MiB; past it the cache starts again.
    private static let capacity = 100_000
    private let entries = Mutex<[ConnectionID: Entry]>([:])

    func token(_ id: ConnectionID, validFor span: Duration, _ clock: any VaultClock) -> HeldAccessToken? {
        guard let entry = entries.withLock({ $0[id] }) else { return nil }
        guard clock.monotonic() - entry.lookedAt < Self.span else { return nil }
        guard let end = entry.token.expiresAt else { return entry.staleAt == nil ? entry.token : nil }
        let now = clock.now()
        guard now < entry.staleAt ?? end, now.advanced(by: span) <= end else { return nil }
        return entry.token
    }

    func keep(_ id: ConnectionID, _ entry: Entry) {
        entries.withLock { entries in
            if entries.count >= Self.capacity { entries = [:] }
            entries[id] = entry
        }
    }

    func forget(_ id: ConnectionID) {
        entries.withLock { _ = $0.removeValue(forKey: id) }
    }
}
