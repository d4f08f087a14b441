import HTTPTypes
import Hummingbird
import HummingbirdCore
import IssuerHTTP
import Logging
import Synchronization
import TokenIssuer

/// The issuer's routes without a server: what a request meets behind the socket.
struct RoutesInProcess: Sendable {
    struct Context: RequestContext {
        struct Source: RequestContextSource { let logger: Logger }

        var coreContext: CoreRequestContextStorage

        init(source: Source) { coreContext = .init(source: source) }
    }

    private let responder: RouterResponder<Context>
    private let logger = Logger(label: "routes") { _ in SwiftLogNoOpLogHandler() }

    init(_ issuer: TokenIssuer) {
        let router = Router(context: Context.self)
        router.addRoutes(IssuerRoutes(issuer))
        router.addRoutes(AuthorizeRoutes(issuer, users: SignInPages(issuer, context: Context.self)))
        responder = router.buildResponder()
    }

    func get(_ path: String) async throws -> Answer { try await send(.get, path, [:], []) }

    func post(_ path: String, _ type: String, _ body: [UInt8], bearer: String? = nil) async throws -> Answer {
        var headers: HTTPFields = [.contentType: type, .contentLength: String(body.count)]
        if let bearer { headers[.authorization] = "Bearer " + bearer }
        return try await send(.post, path, headers, body)
    }

    private func send(
        _ method: HTTPRequest.Method, _ path: String, _ headers: HTTPFields, _ body: [UInt8]
    ) async throws -> Answer {
        let head = HTTPRequest(
            method: method, scheme: "https", authority: "id.example", path: path, headerFields: headers)
        return Answer(
            try await responder.respond(
                to: Request(head: head, body: RequestBody(buffer: ByteBuffer(bytes: body))),
                context: Context(source: .init(logger: logger))))
    }

    struct Answer: Sendable {
        private let response: Response

        fileprivate init(_ response: Response) { self.response = response }

        var status: Int { response.status.code }
        var location: String? { response.headers[.location] }

        func body() async throws -> [UInt8] {
            let collected = Collected()
            try await response.body.write(collected)
            return collected.bytes.withLock { $0 }
        }
    }
}

private final class Collected: ResponseBodyWriter {
    let bytes = Mutex<[UInt8]>([])

    func write(_ buffer: ByteBuffer) async throws { bytes.withLock { $0 += buffer.readableBytesView } }

    func finish(_ trailingHeaders: HTTPFields?) async throws {}
}
