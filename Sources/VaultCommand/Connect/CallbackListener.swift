import IssuerHTTP
import NIOCore
import NIOHTTP1
import NIOPosix

/// Waits on a loopback address for the browser to come back from the provider, and answers it with a line of text.
///
/// Whatever knocks is handed over, and judged by who began the consent; what is no such request is refused here.
final class CallbackListener: Sendable {
    let redirectURI: String
    /// Requests to the place, until ``end()``.
    let arrivals: AsyncStream<CallbackArrival>
    private let listener: any Channel
    private let knocks: AsyncStream<CallbackArrival>.Continuation

    /// Connections at one time; a browser makes two or three.
    private static let connections = 16

    static func start(at place: CallbackPlace) async throws -> CallbackListener {
        let (arrivals, knocks) = AsyncStream.makeStream(
            of: CallbackArrival.self, bufferingPolicy: .bufferingOldest(connections))
        let doors = CallbackDoors(place, knocks, limit: connections)
        let bootstrap = ServerBootstrap(group: MultiThreadedEventLoopGroup.singleton)
            .serverChannelOption(.backlog, value: 16)
            .serverChannelOption(.socketOption(.so_reuseaddr), value: 1)
            .childChannelInitializer { channel in
                guard doors.enter(channel) else { return channel.close() }
                return channel.pipeline.configureHTTPServerPipeline(withPipeliningAssistance: false).flatMap {
                    channel.eventLoop.makeCompletedFuture {
                        try channel.pipeline.syncOperations.addHandler(CallbackConnection(doors))
                    }
                }
            }
        do {
            let listener = try await bootstrap.bind(host: place.host, port: place.port).get()
            let port = listener.localAddress?.port ?? place.port
            doors.open(at: port)
            return CallbackListener(place.redirectURI(port: port), arrivals, knocks, listener)
        } catch {
            let address = IssuerServer.Address(host: place.host, port: place.port)
            throw address.bindingFailure(error, option: "--listen") ?? error
        }
    }

    private init(
        _ redirectURI: String, _ arrivals: AsyncStream<CallbackArrival>,
        _ knocks: AsyncStream<CallbackArrival>.Continuation, _ listener: any Channel
    ) {
        self.redirectURI = redirectURI
        self.arrivals = arrivals
        self.knocks = knocks
        self.listener = listener
    }

    /// Takes no more requests: the sequence of them ends.
    func end() { knocks.finish() }

    func close() async {
        knocks.finish()
        try? await listener.close().get()
    }
}

/// A request that came to the place.
struct CallbackArrival: Sendable {
    /// After `?`.
    let query: String
    let channel: any Channel

    /// Answers, and closes the connection when the answer is out.
    func answer(_ text: String, isGood: Bool) async {
        try? await CallbackAnswer(status: isGood ? .ok : .badRequest, text: text).write(to: channel).get()
    }
}
