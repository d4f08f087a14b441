import NIOCore
import NIOHTTP1
import NIOSSL
import TokenIssuer
import VaultCore

/// Asks once and reads the one answer, within the bounds of its kind; closes the connection whatever comes.
final class AnswerReader: ChannelInboundHandler {
    typealias InboundIn = HTTPClientResponsePart
    typealias OutboundOut = HTTPClientRequestPart

    private let request: DocumentRequest
    private let answer: EventLoopPromise<[UInt8]>
    private var body: [UInt8]?

    init(_ request: DocumentRequest, _ answer: EventLoopPromise<[UInt8]>) {
        self.request = request
        self.answer = answer
    }

    /// Written at once, and kept back by the handler of TLS until the certificate is verified.
    func channelActive(context: ChannelHandlerContext) {
        let headers: HTTPHeaders = [
            "host": request.url.host, "accept": "application/json", "accept-encoding": "identity",
            "user-agent": "TokenVault", "connection": "close",
        ]
        let head = HTTPRequestHead(
            version: .http1_1, method: .GET, uri: request.url.target, headers: headers)
        context.write(wrapOutboundOut(.head(head)), promise: nil)
        context.writeAndFlush(wrapOutboundOut(.end(nil)), promise: nil)
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        switch unwrapInboundIn(data) {
        case .head(let head):
            if let failure = failure(head) { return end(context, .failure(failure)) }
            // What is said before the answer (RFC 9110 section 15.2) is not the answer.
            if head.status.code >= 200 { body = [] }
        case .body(let part):
            guard let count = body?.count, count + part.readableBytes <= request.kind.limit else {
                return end(context, .failure(.tooLarge))
            }
            body?.append(contentsOf: part.readableBytesView)
        case .end:
            if let body { end(context, .success(body)) }
        }
    }

    func errorCaught(context: ChannelHandlerContext, error: any Error) {
        let failure: DocumentFailure =
            switch error {
            case is NIOSSLError, is NIOSSLExtraError, is BoringSSLError: .tls
            case is HTTPParserError: .answer
            case is AnswerBound.Exceeded: .tooLarge
            default: .connect
            }
        end(context, .failure(failure))
    }

    func channelInactive(context: ChannelHandlerContext) {
        end(context, .failure(.answer))
        context.fireChannelInactive()
    }

    func handlerRemoved(context: ChannelHandlerContext) { answer.fail(DocumentFailure.connect) }

    private func failure(_ head: HTTPResponseHead) -> DocumentFailure? {
        if (100..<200).contains(head.status.code), head.status != .switchingProtocols { return nil }
        guard head.status == .ok else { return .answer }
        let encodings = head.headers[canonicalForm: "content-encoding"]
        let types = head.headers["content-type"]
        guard encodings.allSatisfy({ $0 == "identity" }), types.count == 1, let type = types.first else {
            return .content
        }
        let name = type.prefix { $0 != ";" && $0 != " " }.lowercased()
        guard name == "application/json" || name.hasPrefix("application/") && name.hasSuffix("+json") else {
            return .content
        }
        let length = head.headers.first(name: "content-length").flatMap(Int.init)
        return length.map { $0 > request.kind.limit } ?? false ? .tooLarge : nil
    }

    private func end(_ context: ChannelHandlerContext, _ result: Result<[UInt8], DocumentFailure>) {
        // The first end counts; a later one changes nothing.
        answer.completeWith(result.mapError { $0 })
        context.close(promise: nil)
    }
}

/// Ends a connection that has brought more octets than any answer has, before the parser keeps or reads them.
final class AnswerBound: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    struct Exceeded: Error {}

    private var left: Int

    /// - Parameter body: of a whole body, to which comes what stands around it: header fields, sizes of chunks.
    init(body: Int) { left = body + 32 * 1024 }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        left -= unwrapInboundIn(data).readableBytes
        if left >= 0 { return context.fireChannelRead(data) }
        context.fireErrorCaught(Exceeded())
        context.close(promise: nil)
    }
}
