import NIOCore
import NIOHTTP1
import NIOPosix
public import TokenKeeper

/// A ``ScriptedProvider`` on a real socket of 127.0.0.1, plain HTTP/1.1. Answers one request per connection,
/// so that every fault hits the one it is meant for. What is no HTTP, what is too big and what dawdles is cut
/// off, and nothing that a client does harms another's request.
public final class ScriptedServer: Sendable {
    public let provider: ScriptedProvider
    /// `http://127.0.0.1:` and the port, without a slash at the end.
    public let url: String
    private let group: MultiThreadedEventLoopGroup
    private let listener: any Channel

    /// Listens at a free port.
    ///
    /// - Throws: what the system says where there is no port.
    public static func start(_ provider: ScriptedProvider) async throws -> ScriptedServer {
        let group = MultiThreadedEventLoopGroup(numberOfThreads: 1)
        do { return try await ScriptedServer(provider, group) } catch {
            try? await group.shutdownGracefully()
            throw error
        }
    }

    private init(_ provider: ScriptedProvider, _ group: MultiThreadedEventLoopGroup) async throws {
        let bootstrap = ServerBootstrap(group: group)
            .serverChannelOption(.backlog, value: 256)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.socketOption(.tcp_nodelay), value: 1)
            // Anyone who sends its request and then closes its side still gets an answer.
            .childChannelOption(.allowRemoteHalfClosure, value: true)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    let pipeline = channel.pipeline.syncOperations
                    try pipeline.addHandler(
                        ByteToMessageHandler(HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes)))
                    try pipeline.addHandler(ScriptedConnection(provider))
                }
            }
        listener = try await bootstrap.bind(host: "127.0.0.1", port: 0).get()
        self.provider = provider
        self.group = group
        url = "http://127.0.0.1:\(listener.localAddress?.port ?? 0)"
    }

    /// The entry of the provider with every address here.
    public var entry: Provider { provider.entry(at: url) }

    /// Gives the port back and closes what is open, as the end of its event loop does; requests on their way are cut off.
    public func shutdown() async throws {
        try? await listener.close()
        try await group.shutdownGracefully()
    }
}

/// Runs `body` with a scripted server on loopback, and shuts it down whatever becomes of it.
public func withScriptedServer<Result>(
    _ provider: ScriptedProvider, _ body: (ScriptedServer) async throws -> Result
) async throws -> Result {
    let server = try await ScriptedServer.start(provider)
    let outcome: Swift.Result<Result, any Error>
    do { outcome = .success(try await body(server)) } catch { outcome = .failure(error) }
    try await server.shutdown()
    return try outcome.get()
}

/// One connection of a scripted server: reads a request, lets the provider act, writes the answer byte by byte as the fault wants.
///
/// Answers are written raw rather than through NIO's encoder, which would not let a Content-Length lie.
final class ScriptedConnection: ChannelInboundHandler {
    typealias InboundIn = HTTPServerRequestPart
    typealias OutboundOut = ByteBuffer

    /// Larger than any token request, small enough for a test machine.
    private static let bodyBytes = 1024 * 1024
    /// A client that sends nothing for so long is gone.
    private static let patience = TimeAmount.seconds(60)

    private let provider: ScriptedProvider
    private var head: HTTPRequestHead?
    private var body: [UInt8] = []
    /// The request is whole, or refused: nothing that follows is read.
    private var isDone = false
    private var impatience: Scheduled<Void>?

    init(_ provider: ScriptedProvider) { self.provider = provider }

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
            // curl asks before it sends a large body.
            if head.headers.first(name: "expect")?.lowercased() == "100-continue" {
                write("HTTP/1.1 100 Continue\r\n\r\n", to: context.channel)
            }
        case .body(let part):
            body += part.readableBytesView
            guard body.count <= Self.bodyBytes else { return refuse(413, context) }
        case .end:
            isDone = true
            impatience?.cancel()
            if let request = request() { serve(request, on: context.channel) } else { refuse(400, context) }
        }
    }

    /// What is no HTTP.
    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        guard !isDone else { return context.close(promise: nil) }
        refuse(400, context)
    }

    /// The client closed its side: after its request that is its right, before the end of it the request is void.
    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if event as? ChannelEvent == .inputClosed, !isDone { context.close(promise: nil) }
        context.fireUserInboundEventTriggered(event)
    }

    private func request() -> ScriptedRequest? {
        guard let head else { return nil }
        let target = head.uri.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        guard let path = target.first, path.hasPrefix("/") else { return nil }
        return ScriptedRequest(
            head.method.rawValue, String(path), query: target.count == 2 ? Array(target[1].utf8) : [],
            headers: head.headers.map { ($0.name, $0.value) }, body: body)
    }

    private func refuse(_ status: Int, _ context: ChannelHandlerContext) {
        isDone = true
        impatience?.cancel()
        AnswerWriting(channel: context.channel).write(ScriptedAnswer(status: status))
    }

    private func serve(_ request: ScriptedRequest, on channel: any Channel) {
        let exchange = provider.plan(request)
        let loop = channel.eventLoop
        // The answer waits for its time even where the client has left: what is to be done is done.
        loop.after(exchange.arrivesAfter) {
            let answer = exchange.arrive()
            loop.after(exchange.answersAfter) { AnswerWriting(channel: channel).write(answer) }
        }
    }

    private func write(_ text: String, to channel: any Channel) {
        channel.writeAndFlush(ByteBuffer(string: text), promise: nil)
    }
}

/// Puts an answer on the wire and closes the connection behind it.
private struct AnswerWriting: Sendable {
    let channel: any Channel

    func write(_ answer: ScriptedAnswer) {
        switch answer.delivery {
        case .whole: finish(head(answer, declaring: answer.body.count) + answer.body)
        case .nothing: channel.close(promise: nil)
        case .cut(let count):
            finish(head(answer, declaring: answer.body.count) + answer.body.prefix(count))
        case .declaring(let count): finish(head(answer, declaring: count) + answer.body)
        case .slow(let pause):
            channel.writeAndFlush(
                ByteBuffer(bytes: head(answer, declaring: answer.body.count)), promise: nil)
            trickle(answer.body[...], pause)
        }
    }

    private func trickle(_ rest: ArraySlice<UInt8>, _ pause: Duration) {
        guard let byte = rest.first, channel.isActive else { return finish([]) }
        channel.eventLoop.after(pause) {
            channel.writeAndFlush(ByteBuffer(bytes: [byte]), promise: nil)
            trickle(rest.dropFirst(), pause)
        }
    }

    private func finish(_ bytes: [UInt8]) {
        channel.writeAndFlush(ByteBuffer(bytes: bytes)).whenComplete { _ in channel.close(promise: nil) }
    }

    private func head(_ answer: ScriptedAnswer, declaring count: Int) -> [UInt8] {
        let reason = HTTPResponseStatus(statusCode: answer.status).reasonPhrase
        var lines = ["HTTP/1.1 \(answer.status) \(reason)"]
        for (name, value) in answer.headers {
            // A value with a line break would be two headers: tests may put anything into Location.
            lines.append(name + ": " + value.filter { !$0.isNewline })
        }
        lines += ["Content-Length: \(count)", "Connection: close", "", ""]
        return Array(lines.joined(separator: "\r\n").utf8)
    }
}

extension EventLoop {
    /// At once where there is nothing to wait for.
    fileprivate func after(_ pause: Duration, _ body: @escaping @Sendable () -> Void) {
        guard pause > .zero else { return execute(body) }
        _ = scheduleTask(in: TimeAmount(pause), body)
    }
}
