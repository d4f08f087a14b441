import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import Synchronization
import TokenKeeper
import VaultCore

/// A reply as it arrives.
final class IncomingReply: Sendable {
    /// The head came, the rest did not.
    struct Failure: Error {
        let cause: TransportFailure.Cause
    }

    /// Header fields of an answer; busy servers send 40.
    private static let maximumFields = 256

    private struct State {
        var head: (status: Int, headers: [String: String])?
        var body: [UInt8] = []
    }

    private let limit: Int
    private let state = Mutex(State())

    init(atMost bodyBytes: Int) { limit = bodyBytes }

    /// What came up to now; nil: not even the head, or more than there may be.
    var reply: ProviderReply? {
        state.withLock { state in
            state.head.map {
                ProviderReply(status: $0.status, headers: $0.headers, body: SecretBytes(state.body))
            }
        }
    }

    /// Reads to the end.
    func read(_ response: HTTPClientResponse) async throws {
        guard response.headers.count <= Self.maximumFields else { throw Failure(cause: .tooLarge) }
        let headers = Dictionary(response.headers.map { ($0.name.lowercased(), $0.value) }) { first, _ in
            first
        }
        state.withLock { $0.head = (Int(response.status.code), headers) }
        do {
            for try await part in response.body { try add(part) }
        } catch {
            throw Self.cause(error).map(Failure.init) ?? error
        }
    }

    private func add(_ part: ByteBuffer) throws {
        try state.withLock { state in
            guard state.body.count + part.readableBytes <= limit else {
                state = State()
                throw Failure(cause: .tooLarge)
            }
            state.body.append(contentsOf: part.readableBytesView)
        }
    }

    /// Nil: not about the connection.
    private static func cause(_ error: any Error) -> TransportFailure.Cause? {
        switch error {
        case is Failure, is CancellationError, is ReplyBound.Exceeded: nil
        case HTTPParserError.invalidEOFState: .truncated
        // What came is not HTTP.
        case is HTTPParserError: .other
        default: .truncated
        }
    }
}

/// Ends a connection that has brought more octets than any answer has, before the parser keeps them.
final class ReplyBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer
    typealias InboundOut = ByteBuffer

    struct Exceeded: Error {}

    private var left: Int

    /// - Parameter bodyBytes: of a whole body, to which comes what stands around it: header fields, sizes of chunks.
    init(bodyBytes: Int) { left = bodyBytes + 64 * 1024 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        guard left >= 0 else { return }
        left -= unwrapInboundIn(data).readableBytes
        if left >= 0 { return context.fireChannelRead(data) }
        context.fireErrorCaught(Exceeded())
        context.close(promise: nil)
    }
}
