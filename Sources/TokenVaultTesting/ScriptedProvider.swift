import Synchronization
public import TokenKeeper
public import VaultCore

/// An authorization server that does what a test says: it plays the dialect of a provider's entry, its replay policy, and faults.
///
/// Everything about it follows from the entry, the options, the seed, its clock and the order of the requests: two runs of the
/// same history give the same tokens and the same faults. It does no I/O; ``ScriptedServer`` puts it on loopback and
/// ``ScriptedTransport`` under a keeper in the same process.
///
/// ```swift
/// @Test func `a lost answer does not lose the grant`() async throws {
///     var entry = Provider(name: "example", title: "Example", endpoints: .init(token: "https://example.com/token"))
///     entry.refresh.replay = .within(.seconds(600))
///     let provider = ScriptedProvider(entry, seed: 7, faults: FaultScript([1: .dropAfter]))
///     let grant = provider.grant(scope: ["read"])
///     try await withScriptedServer(provider) { server in
///         // Have the service under test refresh `grant.refreshToken` at `provider.entry(at: server.url)`, then:
///         #expect(provider.redemptions(of: grant.family) == [1, 0])
///         #expect(provider.reuseAlarms == 0)
///     }
/// }
/// ```
public final class ScriptedProvider: Sendable {
    /// The entry that it plays.
    public let entry: Provider
    private let seed: UInt64
    private let now: @Sendable () -> VaultInstant
    private let state: Mutex<ScriptedState>

    /// A server that has given nothing yet.
    ///
    /// - Parameters:
    ///   - replay: instead of the policy of the entry.
    ///   - options: nil: as the entry says.
    ///   - now: the server's clock; the machine's unless the test has one.
    public init(
        _ entry: Provider, replay: Provider.ReplayPolicy? = nil, options: ScriptedOptions? = nil,
        seed: UInt64 = 0, faults: FaultScript = FaultScript(),
        now: @escaping @Sendable () -> VaultInstant = { SystemClock().now() }
    ) {
        var options = options ?? ScriptedOptions(entry)
        if let replay { options.replay = replay }
        let entry = entry.isDiscovered ? entry.discovered : entry
        self.entry = entry
        self.seed = seed
        self.now = now
        state = Mutex(ScriptedState(entry: entry, options: options, seed: seed, faults: faults))
    }

    /// Takes a request to be done at once, without the pauses of its fault.
    public func handle(_ request: ScriptedRequest) -> ScriptedAnswer { plan(request).arrive() }

    /// Decides what will go wrong with a request, now that it is sent; nothing is done before it arrives.
    public func plan(_ request: ScriptedRequest) -> ScriptedExchange {
        let fault = state.withLock { $0.nextFault(for: request) }
        var exchange = ScriptedExchange(fault: fault) { [self] in
            let now = now()
            return state.withLock { $0.answer(request, at: now, under: fault) }
        }
        switch fault {
        case .delay(let pause): exchange.arrivesAfter = pause
        case .late(let pause): exchange.answersAfter = pause
        default: break
        }
        return exchange
    }

    /// Forgets every grant, count and fault, and begins the seed again; the options stay.
    public func reset() {
        state.withLock {
            $0 = ScriptedState(entry: entry, options: $0.options, seed: seed, faults: FaultScript())
        }
    }

    /// How it behaves now, with the client that is registered.
    public var options: ScriptedOptions { state.withLock { $0.options } }

    /// Changes how the server behaves from here on.
    public func configure(_ change: (inout ScriptedOptions) -> Void) {
        state.withLock { change(&$0.options) }
    }

    /// Replaces the script; numbers count from the first request of all.
    public func setFaults(_ faults: FaultScript) {
        state.withLock { $0.faults = faults }
    }

    /// Plans a fault for the next request to an endpoint.
    public func failNext(_ fault: ScriptedFault, of endpoint: ScriptedEndpoint = .token) {
        state.withLock { $0.faults.set(fault, at: $0.counts[endpoint.counted, default: 0] + 1, of: endpoint) }
    }

    func read<Result: Sendable>(_ body: (ScriptedState, VaultInstant) -> Result) -> Result {
        let now = now()
        return state.withLock { body($0, now) }
    }

    func change<Result: Sendable>(_ body: (inout ScriptedState, VaultInstant) -> Result) -> Result {
        let now = now()
        return state.withLock { body(&$0, now) }
    }

    func count(of endpoint: ScriptedEndpoint) -> Int { state.withLock { $0.counts[endpoint, default: 0] } }
}

/// One request on its way. Between ``arrivesAfter`` and ``answersAfter`` a simulation may let anything else
/// happen.
public struct ScriptedExchange: Sendable {
    public let fault: ScriptedFault?
    /// From now until the server has the request.
    public internal(set) var arrivesAfter = Duration.zero
    /// From the arrival until the answer leaves.
    public internal(set) var answersAfter = Duration.zero
    private let act: @Sendable () -> ScriptedAnswer

    init(fault: ScriptedFault?, act: @escaping @Sendable () -> ScriptedAnswer) {
        self.fault = fault
        self.act = act
    }

    /// The request arrives: the server acts on it, and this is its answer. To call it twice is to deliver the
    /// request twice.
    public func arrive() -> ScriptedAnswer { act() }
}

extension Provider {
    /// With the addresses that the discovery document of the scripted server will name.
    fileprivate var discovered: Provider {
        var found = self
        let issuer = endpoints.issuer ?? ""
        found.endpoints.authorization = issuer + ScriptedEndpoint.authorize.path
        found.endpoints.token = issuer + ScriptedEndpoint.token.path
        found.endpoints.revocation = issuer + ScriptedEndpoint.revoke.path
        found.endpoints.deviceAuthorization = issuer + ScriptedEndpoint.device.path
        return found
    }
}
