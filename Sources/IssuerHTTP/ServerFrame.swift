import HTTPTypes
package import Hummingbird
import HummingbirdCore
package import Logging
package import NIOCore
import Synchronization
import TokenIssuer
import TokenVault
import VaultCore

/// What is around every route of the issuer's own server: limits of requests and connections, the access log,
/// counts. Apart from the routes, so that the benchmark can measure what the frame alone costs.
package struct ServerFrame {
    package let router = Router(context: IssuerContext.self)
    let metrics = RequestMetrics()
    private let configuration: IssuerServerConfiguration
    private let logger: Logger

    package init(_ configuration: IssuerServerConfiguration, _ logger: Logger) {
        self.configuration = configuration
        self.logger = logger
        router.add(
            middleware: ServerMiddleware(
                logger: logger, metrics: metrics, configuration: configuration.requests))
    }

    /// The server of what was mounted on ``router``.
    package func application(
        onServerRunning: @escaping @Sendable (any Channel) async -> Void = { _ in }
    ) -> Application<RouterResponder<IssuerContext>> {
        Application(
            router: router,
            server: configuration.server,
            configuration: ApplicationConfiguration(
                address: .hostname(configuration.host, port: configuration.port), backlog: 1024,
                availableConnectionsDelegate: ConnectionLimit(
                    configuration.maximumConnections, metrics, logger)),
            onServerRunning: onServerRunning,
            logger: logger)
    }

    /// Connections are child tasks, so they all see that they are counted.
    package func run(_ application: Application<RouterResponder<IssuerContext>>) async throws {
        try await RequestMetrics.$isCounting.withValue(true) { try await application.run() }
    }
}

/// Around every request of the issuer's own server: its line in the access log, the answer where nothing is
/// mounted, and the end of connections that must not go on. The log names the route's pattern, never the URI:
/// codes and tokens travel in query strings.
struct ServerMiddleware: RouterMiddleware {
    let logger: Logger
    let metrics: RequestMetrics
    let configuration: RequestConfiguration

    func handle(
        _ request: Request, context: IssuerContext,
        next: @concurrent (Request, IssuerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var response: Response
        do {
            // RFC 9112 section 3.2: "A server MUST respond with a 400 (Bad Request) status code".
            guard request.head.authority != nil, !request.headers.contains(.furtherHost) else {
                throw Refusal.host
            }
            if request.awaitsContinue(configuration), context.endpointPath != nil {
                context.channel.triggerUserOutboundEvent(BodyIsAwaited(), promise: nil)
            }
            response = try await next(request, context)
        } catch let refusal as OAuthError {
            response = Response(refusal, to: request, headers: [.connection: "close"])
        } catch let error as HTTPError where error.status == .notFound {
            response = Response(Refusal.notFound, to: request)
        } catch {
            logger.error("A request failed.", metadata: ["error.type": "\(type(of: error))"])
            response = Response(Refusal.failure, to: request)
        }
        if response.headers.only(.connection) == "close" || request.hasUnreadBody(response) {
            response.closeConnection(context.channel)
        } else if request.headers.only(.connection) == "close" {
            response.headers[.connection] = "close"
        }
        var error: String?
        if response.status.code >= 400 {
            error = response.headers[.errorCode]
            response.headers[.errorCode] = nil
        }
        let time = start.duration(to: .now)
        metrics.answered(request.method, context.endpointPath, response.status, error: error, in: time)
        logger.info(
            "request",
            metadata: [
                "method": "\(request.method.rawValue)", "route": "\(context.endpointPath ?? "NotFound")",
                "status": "\(response.status.code)",
                "microseconds": "\(time.microseconds)",
                "request_id": "\(response.headers.only(.requestID) ?? "-")",
            ])
        return response
    }
}

extension HTTPField.Name {
    /// `Host`: the first of a request is its authority, and only others are among the fields.
    fileprivate static let furtherHost = field("Host")
}

extension Request {
    /// Whether the client holds back a body that will be read.
    fileprivate func awaitsContinue(_ configuration: RequestConfiguration) -> Bool {
        guard method == .post, headers.only(.expect)?.lowercased() == "100-continue" else { return false }
        let length = headers.only(.contentLength).flatMap { Int($0) } ?? 0
        return length <= configuration.bodyBytes + RequestConfiguration.drainedBytes
    }

    /// Whether a body was sent that is never read. Only a form posted to a route of ours is, within
    /// its limits; the rest would be drained without end.
    fileprivate func hasUnreadBody(_ response: Response) -> Bool {
        let isRefusedUnread = [.notFound, .methodNotAllowed].contains(response.status)
        return announcesBody && (method != .post || isRefusedUnread)
    }
}

extension Response {
    /// Ends the connection once the response is written: what follows on it is no request we would read. Our
    /// side closes at once, the other a second later: octets that arrive at a closed socket make it forget
    /// what was sent, and the client would never read why.
    fileprivate mutating func closeConnection(_ channel: any Channel) {
        let whole = body
        body = ResponseBody(contentLength: whole.contentLength) { writer in
            try await whole.write(writer)
            channel.close(mode: .output, promise: nil)
            channel.eventLoop.scheduleTask(in: .seconds(1)) { channel.close(promise: nil) }
        }
    }
}

extension Duration {
    fileprivate var microseconds: Int64 {
        components.seconds * 1_000_000 + components.attoseconds / 1_000_000_000_000
    }
}

/// Lets connections beyond the maximum wait to be accepted, and says so in the log.
struct ConnectionLimit: AvailableConnectionsDelegate {
    private let maximum: Int
    private let metrics: RequestMetrics
    private let logger: Logger
    private var count = 0
    private var isToldAgainAt = ContinuousClock.now

    init(_ maximum: Int, _ metrics: RequestMetrics, _ logger: Logger) {
        self.maximum = maximum
        self.metrics = metrics
        self.logger = logger
    }

    mutating func connectionOpened() {
        count += 1
        metrics.connectionOpened()
        // Under a flood the log need not say it more than once a minute.
        guard count == maximum, ContinuousClock.now >= isToldAgainAt else { return }
        isToldAgainAt = .now + .seconds(60)
        logger.warning(
            "The maximum number of connections is open; further ones wait.",
            metadata: ["maximum": "\(maximum)"])
    }

    mutating func connectionClosed() {
        count -= 1
        metrics.connectionClosed()
    }

    func isAcceptingNewConnections() -> Bool { count < maximum }
}

/// The context of a request of the issuer's own server, with its connection, so that it can be closed.
package struct IssuerContext: RemoteAddressRequestContext {
    package var coreContext: CoreRequestContextStorage
    let channel: any Channel
    package var remoteAddress: SocketAddress? { channel.remoteAddress }

    package init(source: ApplicationRequestContextSource) {
        coreContext = CoreRequestContextStorage(source: source)
        channel = source.channel
    }
}

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

    /// Methods are the client's own words, too: unknown ones are counted together.
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
