import NIOCore
import NIOHTTP1
import Synchronization

/// What all connections of a listener share.
final class CallbackDoors: Sendable {
    private let place: CallbackPlace
    private let knocks: AsyncStream<CallbackArrival>.Continuation
    private let limit: Int
    private let state = Mutex((inside: 0, authorities: Set<String>()))

    init(_ place: CallbackPlace, _ knocks: AsyncStream<CallbackArrival>.Continuation, limit: Int) {
        self.place = place
        self.knocks = knocks
        self.limit = limit
    }

    func open(at port: Int) {
        state.withLock { $0.authorities = place.authorities(port: port) }
    }

    /// False: there are enough.
    func enter(_ channel: any Channel) -> Bool {
        let isFree = state.withLock { state in
            guard state.inside < limit else { return false }
            state.inside += 1
            return true
        }
        if isFree { channel.closeFuture.whenComplete { _ in self.state.withLock { $0.inside -= 1 } } }
        return isFree
    }

    /// Hands a request over.
    ///
    /// - Returns: the answer to what is none.
    func admit(_ head: HTTPRequestHead, from channel: any Channel) -> CallbackAnswer? {
        let hosts = head.headers["host"]
        let isOurs = hosts.count == 1 && state.withLock { $0.authorities.contains(hosts[0].lowercased()) }
        guard isOurs else {
            return CallbackAnswer(status: .misdirectedRequest, text: "This is not the place you asked for.")
        }
        let target = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard target.first.map(String.init) == place.path else {
            return CallbackAnswer(status: .notFound, text: "There is nothing here.")
        }
        guard head.method == .GET else {
            return CallbackAnswer(status: .methodNotAllowed, text: "Only GET.")
        }
        let query = target.count > 1 ? String(target[1]) : ""
        switch knocks.yield(CallbackArrival(query: query, channel: channel)) {
        case .enqueued: return nil
        default: return CallbackAnswer(status: .serviceUnavailable, text: "This command has ended.")
        }
    }
}

/// One connection of a browser: a single request without a body.
final class CallbackConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = HTTPServerResponsePart

    /// Longer queries are none that ``ConsentCallback`` reads.
    private static let targetBytes = 20 * 1024
    /// For the request; the answer may wait for the provider.
    private static let patience = TimeAmount.seconds(10)

    private let doors: CallbackDoors
    private var head: HTTPRequestHead?
    private var isDone = false
    private var impatience: Scheduled<Void>?

    init(_ doors: CallbackDoors) { self.doors = doors }

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
            guard head.uri.utf8.count <= Self.targetBytes else {
                return finish(CallbackAnswer(status: .uriTooLong, text: "Too long."), context)
            }
            self.head = head
        case .body:
            finish(CallbackAnswer(status: .payloadTooLarge, text: "No body is taken."), context)
        case .end:
            guard let head else { return }
            isDone = true
            impatience?.cancel()
            if let refusal = doors.admit(head, from: context.channel) { finish(refusal, context) }
        }
    }

    /// What is no HTTP.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        context.close(promise: nil)
    }

    private func finish(_ answer: CallbackAnswer, _ context: ChannelHandlerContext) {
        isDone = true
        impatience?.cancel()
        _ = answer.write(to: context.channel)
    }
}

/// A line of text for the person at the browser.
struct CallbackAnswer: Sendable {
    let status: HTTPResponseStatus
    let text: String

    /// The connection closes behind it.
    func write(to channel: any Channel) -> EventLoopFuture<Void> {
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
