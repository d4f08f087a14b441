import HTTPTypes
import Hummingbird
import Logging
import NIOCore

/// Around every request of the issuer's own server: its line in the access log, the answer where nothing is
/// mounted, and the end of connections that must not go on. The log names the route's pattern, never the URI:
/// codes and tokens travel in query strings.
struct ServerMiddleware: RouterMiddleware {
    private let logger: Logger
    private let metrics: RequestMetrics

    init(_ logger: Logger, _ metrics: RequestMetrics) {
        self.logger = logger
        self.metrics = metrics
    }

    func handle(
        _ request: Request, context: IssuerContext,
        next: @concurrent (Request, IssuerContext) async throws -> Response
    ) async throws -> Response {
        let start = ContinuousClock.now
        var response: Response
        do {
            response = try await next(request, context)
        } catch let error as HTTPError where error.status == .notFound {
            response = Response(Refusal.notFound, to: request)
        } catch {
            logger.error("A request failed.", metadata: ["error.type": "\(type(of: error))"])
            response = Response(Refusal.failure, to: request)
        }
        if response.headers.only(.connection) == "close" || request.hasUnreadBody(response) {
            response.closeConnection(context.channel)
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

extension Request {
    /// Whether something was sent along that nobody reads. Only a form posted to a route of ours is, within
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
