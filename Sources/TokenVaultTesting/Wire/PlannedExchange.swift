public import TokenKeeper
import VaultCore

/// One request in process, after it was sent.
///
/// A simulation holds it, lets ``arrivesAfter`` pass, calls ``apply()``, lets ``PlannedAnswer/arrivesAfter`` pass and hands the
/// outcome to the client, with crashes and other workers wherever it wants. Nobody is hurt by an exchange that is never applied: such
/// a request got lost.
public struct PlannedExchange: Sendable {
    public let fault: ScriptedFault?
    /// From now until the server has the request; beyond the timeout of the request the client has given up by then.
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
    /// From the arrival of the request until the client knows.
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
