import NIOCore
import NIOHTTP1
import NIOPosix
import VaultCore

/// One HTTP/1.1 connection of a client in the demonstration: one request at a time, and it may hang up.
struct DemoConnection: Sendable {
    private let channel: any Channel
    private let host: String

    static func open(_ address: (host: String, port: Int)) async throws -> DemoConnection {
        let channel = try await ClientBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    try channel.pipeline.syncOperations.addHTTPClientHandlers()
                    try channel.pipeline.syncOperations.addHandler(DemoExchangeHandler())
                }
            }
            .connect(host: address.host, port: address.port).get()
        return DemoConnection(channel: channel, host: "\(address.host):\(address.port)")
    }

    /// Posts a form and waits for the answer.
    func post(_ form: SecretBytes, to path: String, authorization: SecretBytes) async throws -> DemoAnswer {
        try await send(form, path, authorization).get()
    }

    /// Posts a form and hangs up while the answer comes in, without having read it: a response lost on its way.
    func postAndHangUp(_ form: SecretBytes, to path: String, authorization: SecretBytes) async throws {
        _ = try await send(form, path, authorization, isLost: true).get()
        await close()
    }

    func close() async { _ = try? await channel.close().get() }

    private func send(
        _ form: SecretBytes, _ path: String, _ authorization: SecretBytes, isLost: Bool = false
    ) -> EventLoopFuture<DemoAnswer> {
        let answer = channel.eventLoop.makePromise(of: DemoAnswer.self)
        var head = HTTPRequestHead(version: .http1_1, method: .POST, uri: path)
        head.headers.add(name: "Host", value: host)
        head.headers.add(name: "Authorization", value: "Basic " + authorization.shown)
        head.headers.add(name: "Content-Type", value: "application/x-www-form-urlencoded")
        let body = form.withExposed { ByteBuffer(bytes: $0) }
        head.headers.add(name: "Content-Length", value: "\(body.readableBytes)")
        let request = DemoExchange(head: head, body: body, isLost: isLost, answer: answer)
        channel.writeAndFlush(request).cascadeFailure(to: answer)
        return answer.futureResult
    }
}

/// A request on its way, with the promise of its answer.
private struct DemoExchange: Sendable {
    let head: HTTPRequestHead
    let body: ByteBuffer
    /// The answer's arrival is enough; nobody looks at it.
    let isLost: Bool
    let answer: EventLoopPromise<DemoAnswer>
}

/// Puts requests on the wire and answers together again; lives on its connection's event loop.
private final class DemoExchangeHandler: ChannelDuplexHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundIn = DemoExchange
    typealias OutboundOut = HTTPClientRequestPart

    private var waiting: EventLoopPromise<DemoAnswer>?
    private var isLost = false
    private var status = 0
    private var body: [UInt8] = []

    func write(context: ChannelHandlerContext, data: NIOAny, promise: EventLoopPromise<Void>?) {
        let exchange = unwrapOutboundIn(data)
        waiting = exchange.answer
        isLost = exchange.isLost
        context.write(wrapOutboundOut(.head(exchange.head)), promise: nil)
        context.write(wrapOutboundOut(.body(.byteBuffer(exchange.body))), promise: nil)
        context.write(wrapOutboundOut(.end(nil)), promise: promise)
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            status = Int(head.status.code)
            body = []
            if isLost {
                waiting?.succeed(DemoAnswer(status: 0, body: []))
                waiting = nil
            }
        case .body(let part): body += part.readableBytesView
        case .end:
            waiting?.succeed(DemoAnswer(status: status, body: body))
            waiting = nil
        }
    }

    func channelInactive(context: ChannelHandlerContext) {
        waiting?.fail(ChannelError.eof)
        waiting = nil
        context.fireChannelInactive()
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        waiting?.fail(error)
        waiting = nil
        context.close(promise: nil)
    }
}
