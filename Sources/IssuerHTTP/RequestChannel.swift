import HummingbirdCore
import Logging
import NIOCore
import NIOHTTP1
import NIOSSL

extension HTTPServerBuilder {
    /// HTTP/1.1 within the limits of requests, inside TLS where there is a certificate.
    ///
    /// - Parameters:
    ///   - idleTimeout: for a connection without a request, and for the head of one to arrive.
    ///   - readTime: for the body to arrive.
    ///   - front: the one program whose requests are let through; nil: anyone's are.
    static func requests(
        idleTimeout: Duration, readTime: Duration, certificate: ServerCertificate? = nil,
        front: TrustedFront? = nil
    ) -> HTTPServerBuilder {
        let configuration = HTTP1Channel.Configuration(
            idleTimeout: TimeAmount(idleTimeout),
            httpDecoderConfiguration: .init(
                maxHeaderFieldSize: RequestConfiguration.headerBytes,
                maxHeaderListSize: RequestConfiguration.headerBytes,
                maxHeaderFieldCount: RequestConfiguration.headerFields))
        return HTTPServerBuilder { responder in
            RequestChannel(
                http: HTTP1Channel(responder: responder, configuration: configuration), readTime: readTime,
                certificate: certificate, front: front)
        }
    }
}

/// A connection, with the certificate that is shown when it opens.
private struct RequestChannel: ServerChildChannel {
    typealias Value = HTTP1Channel.Value

    let http: HTTP1Channel
    let readTime: Duration
    let certificate: ServerCertificate?
    let front: TrustedFront?

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            let pipeline = channel.pipeline.syncOperations
            if let front { try pipeline.addHandler(FrontGate(front, logger)) }
            if let certificate { try pipeline.addHandler(NIOSSLServerHandler(context: certificate.context)) }
        }.flatMap { http.setup(channel: channel, logger: logger) }.flatMapThrowing { value in
            let pipeline = channel.pipeline.syncOperations
            let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPRequestDecoder>.self)
            try pipeline.addHandler(RequestHeads(readTime), position: .after(decoder))
            return value
        }
    }

    func handle(value: Value, logger: Logger) async {
        await http.handle(value: value, logger: logger)
    }
}

/// Says to the connection that the body of the request is wanted now.
struct BodyIsAwaited {}

/// What a router cannot see of a request: its version, its end, and whether its client waits to be asked for the body.
private final class RequestHeads: ChannelDuplexHandler, RemovableChannelHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias InboundOut = HTTPServerRequestPart
    typealias OutboundIn = HTTPServerResponsePart
    typealias OutboundOut = HTTPServerResponsePart

    private let readTime: TimeAmount
    private var isWhole = true
    private var deadline: Scheduled<Void>?

    init(_ readTime: Duration) { self.readTime = TimeAmount(readTime) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            isWhole = false
            return context.fireChannelRead(wrapInboundOut(.head(Self.prepared(head))))
        case .body: break
        case .end:
            isWhole = true
            endDeadline()
        }
        context.fireChannelRead(data)
    }

    /// Most requests arrive at once: only the others need a deadline.
    func channelReadComplete(context: ChannelHandlerContext) {
        if !isWhole, deadline == nil {
            deadline = context.eventLoop.assumeIsolated().scheduleTask(in: readTime) {
                context.fireErrorCaught(FormBody.Failure(refusal: Refusal.tooSlow, closesConnection: true))
            }
        }
        context.fireChannelReadComplete()
    }

    func channelInactive(context: ChannelHandlerContext) {
        endDeadline()
        context.fireChannelInactive()
    }

    /// RFC 9110 section 10.1.1: a client that sent `Expect: 100-continue` holds its body back for this answer, or for a
    /// second.
    func triggerUserOutboundEvent(
        context: ChannelHandlerContext, event: Any, promise: EventLoopPromise<Void>?
    ) {
        guard event is BodyIsAwaited else {
            return context.triggerUserOutboundEvent(event, promise: promise)
        }
        let head = HTTPResponseHead(version: .http1_1, status: .continue)
        context.writeAndFlush(wrapOutboundOut(.head(head)), promise: promise)
    }

    private func endDeadline() {
        deadline?.cancel()
        deadline = nil
    }

    /// Every `Connection` that ends one says `close`, which is all that is looked for behind here.
    private static func prepared(_ head: HTTPRequestHead) -> HTTPRequestHead {
        let isOld = head.version != .http1_1
        guard isOld || !head.isKeepAlive else { return head }
        var head = head
        // Clients of HTTP/1.0 wait for the end of the connection, whether or not they ask to keep it.
        head.headers.replaceOrAdd(name: "connection", value: "close")
        if isOld {
            // They need not say which host they mean, and must not be sent 100 (RFC 9110 section 10.1.1).
            if head.headers["host"].isEmpty { head.headers.add(name: "host", value: "") }
            head.headers.remove(name: "expect")
        }
        return head
    }
}
