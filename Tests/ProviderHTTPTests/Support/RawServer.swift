import Foundation
import NIOCore
import NIOPosix
import NIOSSL
import Synchronization

/// A server that reads requests of HTTP/1.1 and answers with whatever octets its script says, on loopback.
final class RawServer: Sendable {
    struct Request: Sendable {
        var head: String
        var body: String
        /// 1 for the first connection that was accepted.
        var connection: Int

        var target: String { String(head.split(separator: " ").dropFirst().first ?? "") }

        /// Nil: not there; of a field that came twice both, with a comma.
        func field(_ name: String) -> String? {
            let values = head.components(separatedBy: "\r\n").dropFirst().compactMap { line -> String? in
                let parts = line.split(separator: ":", maxSplits: 1)
                guard parts.count == 2, parts[0].lowercased() == name.lowercased() else { return nil }
                return parts[1].trimmingPrefix(" ").description
            }
            return values.isEmpty ? nil : values.joined(separator: ",")
        }
    }

    enum Step: Sendable {
        case write(String)
        case close
        /// RST instead of FIN.
        case reset
    }

    typealias Script = @Sendable (Request) -> [Step]

    let port: Int
    private let channel: any Channel
    private let log: Log

    /// What came so far.
    var requests: [Request] { log.requests }
    var connections: Int { log.connections }

    /// Waits until every connection has ended.
    func ended() async {
        while let next = log.open.first { try? await next.closeFuture.get() }
    }

    func close() async {
        try? await channel.close()
        for connection in log.open { try? await connection.close() }
    }

    /// - Parameters:
    ///   - onAccept: what happens before a request is read.
    ///   - isReading: false: accepts connections and reads nothing.
    static func with<Result>(
        tls: NIOSSLContext? = nil, onAccept: [Step] = [], isReading: Bool = true,
        script: @escaping Script, _ body: (RawServer) async throws -> Result
    ) async throws -> Result {
        let log = Log()
        let channel = try await ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelOption(.autoRead, value: isReading)
            .childChannelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let tls {
                        try channel.pipeline.syncOperations.addHandler(NIOSSLServerHandler(context: tls))
                    }
                    try channel.pipeline.syncOperations.addHandler(Reader(log, onAccept, script))
                }
            }
            .bind(host: "127.0.0.1", port: 0).get()
        let server = RawServer(channel, log)
        do {
            let result = try await body(server)
            await server.close()
            return result
        } catch {
            await server.close()
            throw error
        }
    }

    private init(_ channel: any Channel, _ log: Log) {
        self.channel = channel
        self.log = log
        port = channel.localAddress?.port ?? 0
    }

    fileprivate final class Log: Sendable {
        private let state = Mutex((requests: [Request](), connections: 0, open: [any Channel]()))

        var requests: [Request] { state.withLock { $0.requests } }
        var connections: Int { state.withLock { $0.connections } }
        var open: [any Channel] { state.withLock { $0.open } }

        func add(_ request: Request) { state.withLock { $0.requests.append(request) } }
        func connected(_ channel: any Channel) -> Int {
            state.withLock { state in
                state.connections += 1
                state.open.append(channel)
                return state.connections
            }
        }
        func ended(_ channel: any Channel) { state.withLock { $0.open.removeAll { $0 === channel } } }
    }
}

private final class Reader: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let log: RawServer.Log
    private let onAccept: [RawServer.Step]
    private let script: RawServer.Script
    private var connection = 0
    private var text = ""

    init(_ log: RawServer.Log, _ onAccept: [RawServer.Step], _ script: @escaping RawServer.Script) {
        self.log = log
        self.onAccept = onAccept
        self.script = script
    }

    func channelActive(context: ChannelHandlerContext) {
        connection = log.connected(context.channel)
        run(onAccept, context)
    }

    func channelInactive(context: ChannelHandlerContext) { log.ended(context.channel) }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        text += String(buffer: unwrapInboundIn(data))
        while let request = next() {
            log.add(request)
            run(script(request), context)
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) { context.close(promise: nil) }

    private func next() -> RawServer.Request? {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        var request = RawServer.Request(
            head: String(text[..<end.lowerBound]), body: "", connection: connection)
        let rest = text[end.upperBound...].utf8
        let length = request.field("content-length").flatMap { Int($0) } ?? 0
        guard rest.count >= length else { return nil }
        request.body = String(rest.prefix(length)) ?? ""
        text = String(rest.dropFirst(length)) ?? ""
        return request
    }

    private func run(_ steps: [RawServer.Step], _ context: ChannelHandlerContext) {
        for step in steps {
            switch step {
            case .write(let text):
                context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
            case .close: context.close(promise: nil)
            case .reset:
                // On the event loop this is done at once.
                let sockets = context.channel as? any SocketOptionProvider
                _ = sockets?.setSoLinger(linger(l_onoff: 1, l_linger: 0))
                context.close(promise: nil)
            }
        }
    }
}
