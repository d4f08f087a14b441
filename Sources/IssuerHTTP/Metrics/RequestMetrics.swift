import HTTPTypes
import Hummingbird
import Synchronization
import TokenVault

/// Counts what the server answers: by method, route and outcome, and how long it took. Routes are patterns
/// and outcomes are our own words, so what a stranger sends cannot make more of them.
final class RequestMetrics: Sendable {
    struct Endpoint: Hashable, Sendable {
        let method: String
        let route: String
    }

    struct Figures: Sendable {
        var times = Histogram.seconds
        /// By error code of OAuth, or else by class of the status.
        var outcomes: [String: Int] = [:]

        mutating func add(_ outcome: String, _ seconds: Double) {
            times.record(seconds)
            outcomes[outcome, default: 0] += 1
        }
    }

    /// Whether responses name their error to the middleware around them.
    @TaskLocal static var isCounting = false

    private let figures = Mutex<[Endpoint: Figures]>([:])
    private let throttledCount = Atomic<Int>(0)
    private let connectionCount = Atomic<Int>(0)

    var current: [Endpoint: Figures] { figures.withLock { $0 } }
    /// Answered 429.
    var throttled: Int { throttledCount.load(ordering: .relaxed) }
    /// Open now.
    var connections: Int { connectionCount.load(ordering: .relaxed) }

    /// - Parameter route: nil where nothing is mounted.
    func answered(
        _ method: HTTPRequest.Method, _ route: String?, _ status: HTTPResponse.Status, error: String?,
        in time: Duration
    ) {
        let endpoint = Endpoint(method: Self.name(method), route: route ?? "NotFound")
        let outcome = error ?? Self.statusClass(status)
        let seconds = time.inSeconds
        if status == .tooManyRequests { throttledCount.wrappingAdd(1, ordering: .relaxed) }
        figures.withLock { $0[endpoint, default: Figures()].add(outcome, seconds) }
    }

    func connectionOpened() { connectionCount.wrappingAdd(1, ordering: .relaxed) }

    func connectionClosed() { connectionCount.wrappingSubtract(1, ordering: .relaxed) }

    /// Methods are the client's own words, too: those that nobody knows are counted together.
    private static func name(_ method: HTTPRequest.Method) -> String {
        switch method {
        case .post, .get, .head, .put, .patch, .delete, .options, .trace, .connect: method.rawValue
        default: "other"
        }
    }

    private static func statusClass(_ status: HTTPResponse.Status) -> String {
        switch status.code {
        case ..<200: "1xx"
        case ..<300: "2xx"
        case ..<400: "3xx"
        case ..<500: "4xx"
        default: "5xx"
        }
    }
}
