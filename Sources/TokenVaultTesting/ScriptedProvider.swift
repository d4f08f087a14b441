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

    /// Makes a server that has given no tokens yet.
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

    /// Handles a request at once, without the pauses of its fault.
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
    /// The time from now until the server has the request.
    public internal(set) var arrivesAfter = Duration.zero
    /// The time from the arrival until the answer leaves.
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

/// One grant of a scripted server: every token that came of one consent.
public struct ScriptedFamily: Sendable, Equatable {
    public enum Kind: Sendable { case user, client }

    public let id: Int
    public let kind: Kind
    public internal(set) var scope: [String]
    public let consentedAt: VaultInstant
    public internal(set) var isRevoked = false
    /// By generation of the refresh token: how often it paid for a refresh. Under a strict policy no number
    /// is ever above 1. Where refreshes do not rotate, there is one generation with all of them.
    public internal(set) var redemptions: [Int] = []
    /// Refresh tokens that came again after they were spent, answered or not.
    public internal(set) var replays = 0
    /// The one that was given last.
    public internal(set) var accessToken = ""
    /// The one that was given last; nil: the grant has none.
    public internal(set) var refreshToken: String?

    init(id: Int, kind: Kind, scope: [String], consentedAt: VaultInstant) {
        self.id = id
        self.kind = kind
        self.scope = scope
        self.consentedAt = consentedAt
    }

    /// Generation of the newest refresh token, from 0.
    public var generation: Int { max(0, redemptions.count - 1) }

    mutating func enter(generation: Int, refreshToken: String) {
        while redemptions.count <= generation { redemptions.append(0) }
        self.refreshToken = refreshToken
    }
}

/// Tokens of a grant, as a test made them or as they go into a reply.
public struct ScriptedTokens: Sendable, Equatable {
    public let family: Int
    public let accessToken: String
    public let accessExpiresAt: VaultInstant?
    public internal(set) var refreshToken: String?
    var refreshExpiresAt: VaultInstant?
    /// False: it is the one that was presented.
    var isRefreshTokenNew = true
    public let scope: [String]
}

/// What happened at the server without a request: users who decide, tests that look.
extension ScriptedProvider {
    // MARK: Users

    /// A grant with its first tokens, as if a code had been exchanged.
    public func grant(scope: [String] = []) -> ScriptedTokens {
        change { state, now in
            state.book.grant(.user, scope: scope, at: now, random: &state.random)
        }
    }

    /// The code of a consent that happened.
    ///
    /// - Parameter codeChallenge: S256 (RFC 7636); nil: the request had none.
    public func issueCode(scope: [String], codeChallenge: String?, redirectURI: String) -> String {
        change { state, now in
            state.issueCode(scope: scope, codeChallenge: codeChallenge, redirectURI: redirectURI, at: now)
        }
    }

    /// The user types the code of a device and agrees.
    ///
    /// - Returns: whether a device waits under that code.
    @discardableResult
    public func approveDevice(userCode: String) -> Bool {
        change { state, _ in state.decide(userCode: userCode, .approved) }
    }

    /// The user types the code of a device and refuses.
    @discardableResult
    public func denyDevice(userCode: String) -> Bool {
        change { state, _ in state.decide(userCode: userCode, .denied) }
    }

    /// The user takes a grant back at the provider.
    public func revoke(family: Int) { change { state, _ in state.book.revoke(family: family) } }

    // MARK: Observation

    /// Every grant there was, in the order of their identifiers.
    public var families: [ScriptedFamily] { read { state, _ in state.book.families } }

    /// The grant that a token belongs to, dead or alive.
    public func family(of token: String) -> ScriptedFamily? {
        read { state, _ in
            let id = state.book.refreshTokens[token]?.family ?? state.book.accessTokens[token]?.family
            return id.map { state.book.families[$0] }
        }
    }

    /// By generation of the refresh token: how often it was spent with success. A replay that gives the same
    /// successor again is not counted; empty: there is no such grant.
    public func redemptions(of family: Int) -> [Int] {
        read { state, _ in
            state.book.families.indices.contains(family) ? state.book.families[family].redemptions : []
        }
    }

    /// Refresh tokens that came again after they were spent, answered or not.
    public var replays: Int { read { state, _ in state.book.replays } }

    /// Replays that were refused while their grant was alive: under ``Provider/ReplayPolicy/revokes`` each ended it.
    public var reuseAlarms: Int { read { state, _ in state.book.reuseAlarms } }

    /// Requests to the token endpoint and to that for refreshes, those that got lost on the way too.
    public var tokenRequests: Int { count(of: .token) }

    /// Requests to an endpoint; refreshes count as token requests.
    public func requests(to endpoint: ScriptedEndpoint) -> Int { count(of: endpoint.counted) }

    /// Whether an API would take it now; asking is not using.
    public func isLive(accessToken: String) -> Bool {
        read { state, now in state.book.isLive(accessToken: accessToken, at: now) }
    }

    /// Whether a refresh with it would be answered now, be it as a replay.
    public func isLive(refreshToken: String) -> Bool {
        read { state, now in state.book.isLive(refreshToken: refreshToken, at: now) }
    }

    /// The entry with every address at a local server, each under a path of its own.
    ///
    /// - Parameter baseURL: without a slash at the end, as ``ScriptedServer/url`` is.
    public func entry(at baseURL: String) -> Provider {
        var local = entry
        func address(_ endpoint: ScriptedEndpoint) -> String? {
            endpoint.address(in: entry.endpoints).map { original in
                let query = original.firstIndex(of: "?").map { String(original[$0...]) } ?? ""
                return baseURL + endpoint.path + query
            }
        }
        local.endpoints.authorization = address(.authorize)
        local.endpoints.token = address(.token) ?? baseURL + ScriptedEndpoint.token.path
        local.endpoints.refresh = address(.refresh)
        local.endpoints.revocation = address(.revoke)
        local.endpoints.deviceAuthorization = address(.device)
        if entry.endpoints.issuer != nil { local.endpoints.issuer = baseURL }
        return local
    }
}
