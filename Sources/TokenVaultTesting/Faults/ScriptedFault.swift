/// What goes wrong with one request. *Done* below means that the server acts on the request: a refresh token
/// is spent, a code is used.
public enum ScriptedFault: Sendable, Equatable {
    /// Nobody listens: not a byte of the request leaves (in process only; a real server closes the connection).
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

/// When what goes wrong: by the number of a request, or by chance.
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
