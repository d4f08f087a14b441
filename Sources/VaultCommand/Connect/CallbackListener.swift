import IssuerHTTP
import NIOCore
import NIOHTTP1
import NIOPosix
import Synchronization

/// Waits on a loopback address for the browser to come back from the provider, and answers it with a line of text.
///
/// Every callback is passed to the caller, who checks it; any other request is refused here.
final class CallbackListener: Sendable {
    /// Requests to the place, until ``end()``.
    let arrivals: AsyncStream<CallbackArrival>
    private let place: CallbackPlace
    private let knocks: AsyncStream<CallbackArrival>.Continuation
    private let state = Mutex<(listener: (any Channel)?, authorities: Set<String>, inside: Int)>((nil, [], 0))

    /// Connections at one time; a browser makes two or three.
    private static let connections = 16

    init(at place: CallbackPlace) {
        self.place = place
        (arrivals, knocks) = AsyncStream.makeStream(bufferingPolicy: .bufferingOldest(Self.connections))
    }

    /// Begins to listen.
    ///
    /// - Returns: the redirect URI, with the port that it got.
    func start() async throws -> String {
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 16)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { [self] channel in
                guard enter(channel) else { return channel.close() }
                return channel.pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false).flatMap {
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(CallbackConnection(self))
                    }
                }
            }
        do {
            let listener = try await bootstrap.bind(host: place.host, port: place.port).get()
            let port = listener.localAddress?.port ?? place.port
            state.withLock { ($0.listener, $0.authorities) = (listener, place.authorities(port: port)) }
            return place.redirectURI(port: port)
        } catch {
            let address = IssuerServer.Address(host: place.host, port: place.port)
            throw address.bindingFailure(error, option: "address to listen on") ?? error
        }
    }

    /// Takes no more requests: the sequence of them ends.
    func end() { knocks.finish() }

    func close() {
        knocks.finish()
        state.withLock { $0.listener }?.close(promise: nil)
    }

    private func enter(_ channel: any Channel) -> Bool {
        let isFree = state.withLock { state in
            guard state.inside < Self.connections else { return false }
            state.inside += 1
            return true
        }
        if isFree { channel.closeFuture.whenComplete { _ in self.state.withLock { $0.inside -= 1 } } }
        return isFree
    }

    /// Hands a request over.
    ///
    /// - Returns: why it is not the awaited callback; nil when it was handed over.
    fileprivate func admit(_ head: HTTPRequestHead, from channel: any Channel) -> CallbackConnection.Refusal?
    {
        let hosts = head.headers["host"]
        let isOurs = hosts.count == 1 && state.withLock { $0.authorities.contains(hosts[0].lowercased()) }
        guard isOurs else { return (.misdirectedRequest, "This is not the place you asked for.") }
        let target = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard target.first.map(String.init) == place.path else {
            return (.notFound, "There is nothing here.")
        }
        guard head.method == .GET else { return (.methodNotAllowed, "Only GET.") }
        let query = target.count > 1 ? String(target[1]) : ""
        switch knocks.yield(CallbackArrival(query: query, channel: channel)) {
        case .enqueued: return nil
        default: return (.serviceUnavailable, "This command has ended.")
        }
    }
}

/// A request that came to the place.
struct CallbackArrival: Sendable {
    /// After `?`.
    let query: String
    fileprivate let channel: any Channel

    /// Answers, and closes the connection when the answer is out.
    func answer(_ text: String, isGood: Bool) async {
        try? await CallbackConnection.answer(channel, isGood ? .ok : .badRequest, text).get()
    }
}

/// One connection of a browser: a single request without a body.
private final class CallbackConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart
    typealias Refusal = (status: HTTPResponseStatus, text: String)

    /// Longer queries are none that `ConsentCallback` reads.
    private static let targetBytes = 20 * 1024
    /// For the request; the answer may wait for the provider.
    private static let patience = TimeAmount.seconds(10)

    private let listener: CallbackListener
    private var head: HTTPRequestHead?
    private var isDone = false
    private var impatience: Scheduled<Void>?

    init(_ listener: CallbackListener) { self.listener = listener }

    func channelActive(context: ChannelHandlerContext) {
        let channel = context.channel
        impatience = context.eventLoop.scheduleTask(in: Self.patience) { channel.close(promise: nil) }
        context.fireChannelActive()
    }

    func channelInactive(context: ChannelHandlerContext) {
        impatience?.cancel()
        context.fireChannelInactive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard !isDone else { return }
        switch unwrapInboundIn(data) {
        case .head(let head):
            self.head = head
            if head.uri.utf8.count > Self.targetBytes { finish((.uriTooLong, "Too long."), context) }
        case .body: finish((.payloadTooLarge, "No body is taken."), context)
        case .end:
            guard let head else { return }
            finish(listener.admit(head, from: context.channel), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func finish(_ refusal: Refusal?, _ context: ChannelHandlerContext) {
        isDone = true
        impatience?.cancel()
        if let refusal { _ = Self.answer(context.channel, refusal.status, refusal.text) }
    }

    /// Writes a line of text for the person at the browser; the connection closes behind it.
    static func answer(
        _ channel: any Channel, _ status: HTTPResponseStatus, _ text: String
    ) -> EventLoopFuture<Void> {
        let body = ByteBuffer(string: text + "\n")
        var head = HTTPResponseHead(version: .http1_1, status: status)
        head.headers = [
            "Content-Type": "text/plain; charset=utf-8", "Content-Length": "\(body.readableBytes)",
            "Cache-Control": "no-store", "Referrer-Policy": "no-referrer",
            "X-Content-Type-Options": "nosniff", "Connection": "close",
        ]
        channel.write(HTTPServerResponsePart.head(head), promise: nil)
        channel.write(HTTPServerResponsePart.body(.byteBuffer(body)), promise: nil)
        return channel.writeAndFlush(HTTPServerResponsePart.end(nil)).flatMap { channel.close() }
    }
}
