import Foundation
import NIOCore
import NIOHTTP1
import NIOPosix
package import NIOSSL
package import TokenIssuer
import VaultCore

/// The fetching itself, which blocks its thread: a name is resolved once, every address of it is judged, and the
/// connection goes to an address that was judged, while the certificate is checked for the name.
package final class FetchEngine: Sendable {
    /// From the name to the last octet.
    static let time = Duration.seconds(3)
    /// Fetches at once for strangers, and as many for known clients.
    static let atOnce = 8
    /// Addresses of one name that are tried, each for a second.
    private static let attempts = 3
    /// More is no name of a web server.
    private static let addresses = 32

    package typealias Resolve =
        @Sendable (_ host: String, _ mayBeInside: Bool) throws(DocumentFailure) ->
        [NetworkAddress]

    private let context: NIOSSLContext
    private let loops = MultiThreadedEventLoopGroup(numberOfThreads: 1)
    private let port: Int
    private let resolve: Resolve
    private let places = Places<[UInt8]>(2)

    /// - Parameters:
    ///   - context: of ``trust(_:)``, which has read the authorities: this begins a thread.
    ///   - port: another one than 443 is for tests.
    package init(
        _ context: NIOSSLContext, port: Int = 443,
        resolve: @escaping Resolve = { try NetworkAddress.all(of: $0, mayBeInside: $1) }
    ) {
        self.context = context
        self.port = port
        self.resolve = resolve
    }

    deinit { loops.shutdownGracefully { _ in } }

    /// TLS 1.2 or later, certificate and name verified by the authorities of the system.
    ///
    /// - Parameter authorities: trusted beside those.
    package static func trust(_ authorities: [NIOSSLCertificate] = []) throws -> NIOSSLContext {
        var tls = TLSConfiguration.makeClientConfiguration()
        tls.minimumTLSVersion = .tlsv12
        tls.applicationProtocols = ["http/1.1"]
        tls.additionalTrustRoots = [.certificates(authorities)]
        return try NIOSSLContext(configuration: tls)
    }

    package func fetch(_ request: DocumentRequest) throws(DocumentFailure) -> [UInt8] {
        let end = NIODeadline.now() + .nanoseconds(Self.time.milliseconds * 1_000_000)
        let found = try resolve(request.url.host, request.mayBeInside)
        guard !found.isEmpty else { throw .nameLookup }
        // One bad address condemns the name: it is not for us to choose the good ones of a name that also leads inside.
        let isAllowed = found.allSatisfy {
            $0.reach == .outside || request.mayBeInside && $0.reach == .inside
        }
        guard isAllowed, found.count <= Self.addresses else { throw .address }
        for address in found.prefix(Self.attempts) where NIODeadline.now() < end {
            try places.enter(address.place, isKnown: request.isKnown)
            defer { places.leave(address.place, isKnown: request.isKnown) }
            do throws(DocumentFailure) { return try ask(request, at: address, until: end) } catch {
                guard error == .connect else { throw error }
            }
        }
        throw NIODeadline.now() < end ? .connect : .timeout
    }

    private func ask(
        _ request: DocumentRequest, at address: NetworkAddress, until end: NIODeadline
    ) throws(DocumentFailure) -> [UInt8] {
        let loop = loops.next()
        let answer = loop.makePromise(of: [UInt8].self)
        do {
            let target = try SocketAddress(
                packedIPAddress: ByteBuffer(bytes: address.octets), port: port)
            let connecting = ClientBootstrap(group: loop)
                .connectTimeout(min(.seconds(1), end - .now()))
                .channelInitializer { [context] channel in
                    channel.eventLoop.makeCompletedFuture {
                        let pipeline = channel.pipeline.syncOperations
                        try pipeline.addHandler(
                            NIOSSLClientHandler(context: context, serverHostname: request.url.host))
                        try pipeline.addHandler(AnswerBound(body: request.kind.limit))
                        try pipeline.addHTTPClientHandlers()
                        try pipeline.addHandler(AnswerReader(request, answer))
                    }
                }
                .connect(to: target)
            connecting.whenFailure { _ in answer.fail(DocumentFailure.connect) }
            let limit = loop.scheduleTask(deadline: end) {
                answer.fail(DocumentFailure.timeout)
                connecting.whenSuccess { $0.close(promise: nil) }
            }
            defer { limit.cancel() }
            return try answer.futureResult.wait()
        } catch {
            answer.fail(DocumentFailure.connect)
            throw error as? DocumentFailure ?? .connect
        }
    }
}
