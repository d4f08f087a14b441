import VaultCore

/// A fault of one request. *Done* below means that the server acts on the request: a refresh token
/// is spent, a code is used.
public enum ScriptedFault: Sendable, Equatable {
    /// Nothing listens: not a byte of the request leaves (in process only; a real server closes the connection).
    case unreachable
    /// The connection closes and nothing is done.
    case dropBefore
    /// Done, and the connection closes without an answer.
    case dropAfter
    /// The request arrives so much later.
    case delay(Duration)
    /// Done at once, answered so much later.
    case late(Duration)
    /// Done; the connection closes in the middle of the body.
    case truncated
    /// Done twice, as a proxy that retries would; the answer is the second one.
    case duplicate
    /// Done; the reply says it is something else.
    case contentType(String)
    /// An HTML page under 200, as captive portals and maintenance pages are.
    case page(isDone: Bool)
    /// An OAuth error under 200, not done.
    case errorUnder200(String)
    /// A bare status. `retryAfter`: the value of Retry-After, seconds or a date.
    case status(Int, retryAfter: String? = nil, isDone: Bool = false)
    /// 307 to somewhere else, not done.
    case redirect(String)
    /// The client's credentials are refused, whatever they are.
    case invalidClient
    /// An error of that code whose description repeats everything the request held, secrets too; not done.
    case echo(String)
    /// Done; white space makes the body this many bytes longer.
    case huge(Int)
    /// Done; one byte of the body after each pause.
    case slow(Duration)
    /// Done; the lifetime is no time in any spelling.
    case unreadableExpiry
    /// Done; 200 and not a byte of body.
    case emptyBody
    /// Done; Content-Length is off by so much.
    case contentLength(adding: Int)
}

/// The faults of requests, by the number of a request or by chance.
///
/// ```swift
/// let script = FaultScript([2: .dropAfter, 3: .status(503, retryAfter: "7")], chances: [(.truncated, 0.1)])
/// ```
public struct FaultScript: Sendable {
    /// For token requests that have no fault by number; probabilities that sum up to at most 1.
    public var chances: [(fault: ScriptedFault, probability: Double)]
    private var numbered: [ScriptedEndpoint: [Int: ScriptedFault]]

    /// - Parameter atTokenRequest: by number from 1, counted since the server was made or ``ScriptedProvider/reset()``.
    public init(
        _ atTokenRequest: [Int: ScriptedFault] = [:],
        chances: [(fault: ScriptedFault, probability: Double)] = []
    ) {
        numbered = [.token: atTokenRequest]
        self.chances = chances
    }

    /// Plans a fault for the `number`-th request to an endpoint, from 1; refreshes count as token requests.
    public mutating func set(_ fault: ScriptedFault, at number: Int, of endpoint: ScriptedEndpoint = .token) {
        numbered[endpoint.counted, default: [:]][number] = fault
    }

    /// - Parameter fraction: drawn for every token request, so that a fault by number changes none of the later ones.
    func fault(at number: Int, of endpoint: ScriptedEndpoint, fraction: Double) -> ScriptedFault? {
        if let fault = numbered[endpoint.counted]?[number] { return fault }
        guard endpoint.counted == .token else { return nil }
        var rest = fraction
        for (fault, probability) in chances {
            if rest < probability { return fault }
            rest -= probability
        }
        return nil
    }
}

/// What a fault makes of a request and its answer.
extension ScriptedState {
    mutating func answer(
        _ request: ScriptedRequest, at now: VaultInstant, under fault: ScriptedFault?
    ) -> ScriptedAnswer {
        switch fault {
        case nil, .delay, .late: return answer(request, at: now)
        case .unreachable, .dropBefore: return .none
        case .dropAfter:
            _ = answer(request, at: now)
            return .none
        case .duplicate:
            _ = answer(request, at: now)
            return answer(request, at: now)
        case .unreadableExpiry: return answer(request, at: now, isExpiryReadable: false)
        case .page(let isDone):
            if isDone { _ = answer(request, at: now) }
            let page = "<!doctype html><title>Sorry</title><h1>We will be back</h1>"
            return ScriptedAnswer(
                status: 200, headers: [("Content-Type", "text/html")], body: Array(page.utf8))
        case .status(let status, let retryAfter, let isDone):
            if isDone { _ = answer(request, at: now) }
            var refused = ScriptedAnswer(status: status, headers: [("Content-Type", "text/plain")])
            if let retryAfter { refused.headers.append(("Retry-After", retryAfter)) }
            return refused
        case .redirect(let target):
            return ScriptedAnswer(status: 307, headers: [("Location", target)])
        case .errorUnder200(let code):
            var refused = refusal(OAuthProblem(code), isRefresh: true)
            refused.status = 200
            return refused
        case .invalidClient: return refusal(.client(triedHeader: false), isRefresh: true)
        case .echo(let code):
            return refusal(OAuthProblem(code, "Not taken: " + everything(request)), isRefresh: true)
        case .truncated, .contentType, .huge, .slow, .emptyBody, .contentLength:
            return answer(request, at: now).changed(by: fault)
        }
    }

    /// All that a request held, decoded as a careless server would print it.
    private func everything(_ request: ScriptedRequest) -> String {
        let forms = [request.query, request.body].flatMap { FormCoding.pairs($0) ?? [] }
        let headers = request.headers.map { (name, value) in
            let encoded = value.hasPrefix("Basic ") ? Base64.decode(value.dropFirst(6).utf8) : nil
            return name + ": " + (encoded.map { String(decoding: $0, as: UTF8.self) } ?? value)
        }
        return
            (forms.map { $0.name + "=" + $0.value } + headers + [
                String(decoding: request.body, as: UTF8.self)
            ])
            .joined(separator: "; ")
    }
}

extension ScriptedAnswer {
    /// The connection closes without it.
    fileprivate static var none: Self {
        var answer = Self(status: 0)
        answer.delivery = .nothing
        return answer
    }

    /// The answer as a fault of the way leaves it.
    fileprivate func changed(by fault: ScriptedFault?) -> Self {
        var answer = self
        switch fault {
        case .truncated: answer.delivery = .cut(after: body.count / 2)
        case .contentType(let type):
            answer.headers.removeAll { $0.name == "Content-Type" }
            answer.headers.append(("Content-Type", type))
        // Still the same JSON: only a bound keeps it out.
        case .huge(let count): answer.body += [UInt8](repeating: UInt8(ascii: " "), count: max(0, count))
        case .slow(let pause): answer.delivery = .slow(pause)
        case .emptyBody: answer.body = []
        case .contentLength(let difference):
            answer.delivery = .declaring(max(0, body.count + difference))
        default: break
        }
        return answer
    }
}
