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
            // Whoever sends its request and then closes its side still gets an answer.
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
