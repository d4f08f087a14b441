import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import NIOPosix
import NIOSSL
public import TokenKeeper
import VaultCore

/// Carries requests to providers over the network, each at most once and on a connection of its own.
///
/// A connection that waited in a pool may be dead without a sign, and then it is unknown whether the provider read
/// what was written to it; a token request is too dear for that. A connection that cannot be made fails whatever
/// waits for one to the same host, as not sent. ``ConnectionConfiguration`` says what connections are like.
///
/// ```swift
/// try await AsyncHTTPTransport.withTransport { transport in
///     let reply = try await transport.send(ProviderRequest(.discovery, .get, "https://id.example/.well-known/openid-configuration"))
/// }
/// ```
public final class AsyncHTTPTransport: ProviderTransport {
    private let client: HTTPClient
    private let departures = Departures()
    private let flights = Flights()
    private let sleep: Deadline.Sleep
    private let replyBytes: Int

    /// End it with ``shutdown()``.
    ///
    /// - Throws: `VaultError.invalidInput` if the authorities cannot be read.
    public convenience init(configuration: ConnectionConfiguration = ConnectionConfiguration()) throws {
        try self.init(configuration: configuration, sleep: Deadline.sleep)
    }

    /// - Parameters:
    ///   - replyBytes: largest body of an answer, in bytes.
    ///   - sleep: waits until a request's time is over.
    package init(
        configuration: ConnectionConfiguration, replyBytes: Int = Limits.sealedReplyBytes,
        sleep: @escaping @Sendable (Duration) async throws -> Void
    ) throws {
        self.sleep = sleep
        self.replyBytes = replyBytes
        var settings = try configuration.clientConfiguration()
        settings.maximumUsesPerConnection = 1
        // One that was made for a request that gave up; the next may have it, but not for long.
        settings.connectionPool.idleTimeout = .seconds(1)
        settings.http1_1ConnectionDebugInitializer = { [departures] channel in
            channel.eventLoop.submit { try Self.addHandlers(to: channel, departures, replyBytes) }
        }
        client = ConnectionConfiguration.client(settings)
    }

    /// Runs `body` with a transport that is shut down afterwards.
    public static func withTransport<Result>(
        configuration: ConnectionConfiguration = ConnectionConfiguration(),
        _ body: (AsyncHTTPTransport) async throws -> Result
    ) async throws -> Result {
        let transport = try AsyncHTTPTransport(configuration: configuration)
        return try await running {
            try await body(transport)
        } finally: {
            await transport.shutdown()
        }
    }

    /// Sends once. The end of the caller's task does not end a request that has begun; its `timeout` does.
    ///
    /// - Throws: ``TransportFailure/notSent(_:)`` only if not a byte of the request was given to the connection.
    public func send(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        guard flights.begin() else { throw .notSent(.shutdown) }
        let task = Task { () -> Result<ProviderReply, TransportFailure> in
            defer { flights.end() }
            do throws(TransportFailure) { return .success(try await attempt(request)) } catch {
                return .failure(error)
            }
        }
        return try await task.value.get()
    }

    /// Accepts no more requests, waits for the answers to those in flight, then closes everything.
    public func shutdown() async {
        await flights.close()
        // It fails only where it was shut down before.
        try? await client.shutdown()
    }

    private func attempt(_ request: ProviderRequest) async throws(TransportFailure) -> ProviderReply {
        let number = departures.announce()
        let incoming = IncomingReply(atMost: replyBytes)
        do {
            let outgoing = try HTTPClientRequest(request, number)
            try await Deadline.run(within: request.timeout, sleep) { [client] in
                try await incoming.read(
                    client.execute(
                        outgoing, deadline: .distantFuture, logger: ConnectionConfiguration.silence))
            }
            if let reply = incoming.reply { return reply }
        } catch {
            if departures.takeBack(number) { throw .notSent(.beforeDeparture(error)) }
            // A length that was promised, or an orderly end, is missing; what was said may be there all the same.
            if let reply = incoming.reply, reply.isWhole { return reply }
            throw .ambiguous(.afterDeparture(error))
        }
        throw .ambiguous(.other)
    }

    private static func addHandlers(
        to channel: any Channel, _ departures: Departures, _ replyBytes: Int
    ) throws {
        let pipeline = channel.pipeline.syncOperations
        let encoder = try pipeline.handler(type: HTTPRequestEncoder.self)
        try pipeline.addHandler(ReplyBound(bodyBytes: replyBytes), position: .before(encoder))
        let decoder = try pipeline.handler(type: ByteToMessageHandler<HTTPResponseDecoder>.self)
        try pipeline.addHandler(DepartureGate(departures), position: .after(decoder))
    }
}

extension HTTPClientRequest {
    struct InvalidURL: Error {}

    /// A request in the library's words: here secrets leave their wrappers.
    ///
    /// - Parameter number: of ``Departures``.
    fileprivate init(_ request: ProviderRequest, _ number: String) throws {
        var url = request.url
        if let query = request.query {
            url += url.contains("?") ? "&" : "?"
            url += query.text
        }
        guard ProviderAddress(url) != nil else { throw InvalidURL() }
        var outgoing = HTTPClientRequest(url: url)
        outgoing.method = HTTPMethod(rawValue: request.method.rawValue)
        for (name, value) in request.headers {
            outgoing.headers.add(name: name, value: value.text)
        }
        // A small answer can unfold to gigabytes: none is asked for, and one that comes is unfolded within bounds.
        outgoing.headers.replaceOrAdd(name: "accept-encoding", value: "identity")
        outgoing.headers.replaceOrAdd(name: "connection", value: "close")
        // Some providers answer 403 to requests without.
        if !outgoing.headers.contains(name: "user-agent") {
            outgoing.headers.add(name: "user-agent", value: "TokenVault")
        }
        outgoing.headers.replaceOrAdd(name: Departures.header, value: number)
        if let body = request.body {
            outgoing.body = .bytes(body.withExposed { ByteBuffer(bytes: $0) })
        }
        self = outgoing
    }
}

/// Ends work that takes too long, by cancelling it.
enum Deadline {
    struct Exceeded: Error {}

    /// Waits for a span of time; a test's ends when the test wants it to.
    typealias Sleep = @Sendable (Duration) async throws -> Void

    static let sleep: Sleep = { try await Task.sleep(for: $0, clock: .continuous) }

    /// The library's own deadline ends with the head of an answer; this one with the last octet.
    static func run<Result: Sendable>(
        within limit: Duration, _ sleep: @escaping Sleep = sleep,
        _ work: @escaping @Sendable () async throws -> Result
    ) async throws -> Result {
        try await withThrowingTaskGroup(of: Result.self) { group in
            group.addTask { try await work() }
            group.addTask {
                try await sleep(limit)
                throw Exceeded()
            }
            defer { group.cancelAll() }
            guard let first = try await group.next() else { throw Exceeded() }
            return first
        }
    }
}

/// The library's errors in our words; their texts are dropped, they quote header fields and addresses.
extension TransportFailure.Cause {
    /// The failure of an attempt that ended before the request was given to a connection.
    static func beforeDeparture(_ error: any Error) -> Self {
        switch error {
        case is HTTPClientRequest.InvalidURL: .invalidURL
        case is Deadline.Exceeded: .timeout
        case let error as NIOConnectionError: connection(error)
        // The last: closed before the gate was in its place.
        case is IOError, is ChannelPipelineError: .connect
        case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError, is NIOTLSUnwrappingError: .tls
        case let error as ChannelError: if case .connectTimeout = error { .timeout } else { .connect }
        case let error as HTTPClientError: earlyClient(error)
        default: .other
        }
    }

    /// The failure of an attempt whose request may have been sent.
    static func afterDeparture(_ error: any Error) -> Self {
        switch error {
        case let error as IncomingReply.Failure: error.cause
        case is ReplyBound.Exceeded: .tooLarge
        case is Deadline.Exceeded: .timeout
        case HTTPParserError.invalidEOFState: .truncated
        case HTTPParserError.headerOverflow: .tooLarge
        case is HTTPParserError: .other
        case is IOError, is ChannelError, is NIOSSLError, is BoringSSLError: .reset
        case let error as HTTPClientError: lateClient(error)
        default: .other
        }
    }

    private static func connection(_ error: NIOConnectionError) -> Self {
        // A host that has addresses of one kind alone gives an error for the other kind.
        if error.connectionErrors.isEmpty { return .nameLookup }
        let isSlow = error.connectionErrors.allSatisfy { failure in
            if case .connectTimeout? = failure.error as? ChannelError { true } else { false }
        }
        return isSlow ? .timeout : .connect
    }

    private static func earlyClient(_ error: HTTPClientError) -> Self {
        switch error {
        case .connectTimeout, .deadlineExceeded, .getConnectionFromPoolTimeout: .timeout
        case .tlsHandshakeTimeout: .tls
        case .alreadyShutdown, .cancelled: .shutdown
        case .remoteConnectionClosed, .uncleanShutdown: .connect
        case .invalidURL, .emptyHost, .emptyScheme: .invalidURL
        default: .other
        }
    }

    private static func lateClient(_ error: HTTPClientError) -> Self {
        switch error {
        case .remoteConnectionClosed, .uncleanShutdown: .reset
        case .cancelled: .shutdown
        default: .other
        }
    }
}
