import Foundation
public import TokenKeeper
import VaultCore

/// A scripted server under a keeper of the same process: no sockets, no threads, no real time.
///
/// Takes the addresses of the provider's entry as they are, `{name}` standing for anything. What the client would see of a
/// fault is what it is told: a closed connection is ambiguous, for the request has left, whatever the server did with it.
public struct ScriptedTransport: ProviderTransport {
    public let provider: ScriptedProvider
    private let pause: @Sendable (Duration) async -> Void

    /// - Parameter pause: told of every wait, so that a clock of the test's own can pass it; by default nothing waits.
    public init(_ provider: ScriptedProvider, pause: @escaping @Sendable (Duration) async -> Void = { _ in })
    {
        self.provider = provider
        self.pause = pause
    }

    public func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        let exchange = plan(request)
        await pause(exchange.arrivesAfter)
        let answer = exchange.apply()
        await pause(answer.arrivesAfter)
        return try answer.outcome.get()
    }

    /// Decides what will become of a request, for a simulation that lets things happen in between.
    public func plan(_ request: ProviderRequest) -> PlannedExchange {
        guard let arriving = arriving(request) else {
            return PlannedExchange(refused: .notSent(.invalidURL), timeout: request.timeout)
        }
        return PlannedExchange(provider.plan(arriving), timeout: request.timeout)
    }

    /// The request as the server sees it; nil if the URL leads nowhere.
    private func arriving(_ request: ProviderRequest) -> ScriptedRequest? {
        let parts = request.url.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let place = parts.first.map(String.init), let path = localPath(of: place) else { return nil }
        var query = parts.count == 2 ? Array(parts[1].utf8) : []
        request.query?.withExposed { secret in
            if !query.isEmpty, !secret.isEmpty { query.append(UInt8(ascii: "&")) }
            query += secret
        }
        let headers = request.headers.map { (name: $0.name, value: $0.value.text) }
        let body = request.body?.withExposed { $0 } ?? []
        return ScriptedRequest(request.method.rawValue, path, query: query, headers: headers, body: body)
    }

    /// An address of the entry, or a path of the scripted server under any host.
    private func localPath(of place: String) -> String? {
        for endpoint in ScriptedEndpoint.allCases {
            let address = endpoint.address(in: provider.entry.endpoints)
            guard let pattern = address?.split(separator: "?").first else { continue }
            if Self.matches(place, String(pattern)) { return endpoint.path }
        }
        guard let scheme = place.firstRange(of: "://") else { return nil }
        let rest = place[scheme.upperBound...]
        return rest.firstIndex(of: "/").map { String(rest[$0...]) } ?? "/"
    }

    /// Whether an address is that of an entry with something, but no slash, in place of every variable
    /// (`https://{shop}.example.com/token`).
    private static func matches(_ place: String, _ pattern: String) -> Bool {
        let fixed = pattern.replacing(/\{[^{}]*\}/, with: "{}").components(separatedBy: "{}")
        let expression = fixed.map { NSRegularExpression.escapedPattern(for: $0) }.joined(separator: "[^/]+")
        return (try? Regex(expression)).flatMap { try? $0.wholeMatch(in: place) } != nil
    }
}

/// One request in process, after it was sent.
///
/// A simulation holds it, lets ``arrivesAfter`` pass, calls ``apply()``, lets ``PlannedAnswer/arrivesAfter`` pass and hands the
/// outcome to the client, with crashes and other workers wherever it wants. An exchange that is never applied does no harm: such
/// a request got lost.
public struct PlannedExchange: Sendable {
    public let fault: ScriptedFault?
    /// The time from now until the server has the request; the client gives up at the request's timeout.
    public let arrivesAfter: Duration
    /// False: not a byte leaves the client, and ``apply()`` does nothing at the server.
    public let reachesServer: Bool
    /// What the client waits at most, from now.
    public let timeout: Duration
    private let arrival: @Sendable () -> PlannedAnswer

    init(refused failure: TransportFailure, timeout: Duration) {
        self.init(nil, reachesServer: false, timeout: timeout) {
            PlannedAnswer(outcome: .failure(failure), arrivesAfter: .zero)
        }
    }

    init(_ exchange: ScriptedExchange, timeout: Duration) {
        guard exchange.fault != .unreachable else {
            self.init(exchange, reachesServer: false, timeout: timeout) {
                PlannedAnswer(outcome: .failure(.notSent(.connect)), arrivesAfter: .zero)
            }
            return
        }
        self.init(exchange, reachesServer: true, timeout: timeout) {
            let left = timeout - exchange.arrivesAfter
            let answer = PlannedAnswer(exchange.arrive(), after: exchange.answersAfter)
            guard answer.arrivesAfter > left else { return answer }
            return PlannedAnswer(outcome: .failure(.ambiguous(.timeout)), arrivesAfter: max(.zero, left))
        }
    }

    private init(
        _ exchange: ScriptedExchange?, reachesServer: Bool, timeout: Duration,
        arrival: @escaping @Sendable () -> PlannedAnswer
    ) {
        fault = exchange?.fault
        arrivesAfter = exchange?.arrivesAfter ?? .zero
        self.reachesServer = reachesServer
        self.timeout = timeout
        self.arrival = arrival
    }

    /// The request arrives and the server acts on it. To call it twice is to deliver the request twice.
    public func apply() -> PlannedAnswer { arrival() }
}

/// What a client will see of an exchange, and when.
public struct PlannedAnswer: Sendable {
    public let outcome: Result<ProviderReply, TransportFailure>
    /// The time from the arrival of the request until the client has the outcome.
    public let arrivesAfter: Duration

    init(outcome: Result<ProviderReply, TransportFailure>, arrivesAfter: Duration) {
        self.outcome = outcome
        self.arrivesAfter = arrivesAfter
    }

    /// What a correct HTTP client makes of an answer.
    init(_ answer: ScriptedAnswer, after delay: Duration) {
        var arrivesAfter = delay
        if case .slow(let pause) = answer.delivery { arrivesAfter += pause * answer.body.count }
        self.init(outcome: Self.outcome(answer), arrivesAfter: arrivesAfter)
    }

    private static func outcome(_ answer: ScriptedAnswer) -> Result<ProviderReply, TransportFailure> {
        var body = answer.body
        switch answer.delivery {
        case .whole, .slow: break
        case .nothing: return .failure(.ambiguous(.reset))
        case .cut: return .failure(.ambiguous(.truncated))
        case .declaring(let count): body = Array(body.prefix(count))
        }
        guard body.count <= Limits.sealedReplyBytes else { return .failure(.ambiguous(.tooLarge)) }
        let headers = Dictionary(answer.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in first
        }
        let reply = ProviderReply(status: answer.status, headers: headers, body: SecretBytes(body))
        if case .declaring(let count) = answer.delivery, count > body.count, !reply.isWhole {
            return .failure(.ambiguous(.truncated))
        }
        return .success(reply)
    }
}
