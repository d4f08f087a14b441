import Foundation
import HTTPTypes
import Hummingbird
import TokenIssuer

/// One address of the issuer: its methods, their handler, and the answer to other methods.
struct Endpoint<Context: RequestContext> {
    let methods: [HTTPRequest.Method]
    /// Whether scripts of any origin may call it and read the answer; credentials of the browser never come along.
    let isCrossOrigin: Bool
    let respond: @Sendable (Request, Context) async -> Response

    init(
        _ methods: [HTTPRequest.Method], isCrossOrigin: Bool = false,
        respond: @escaping @Sendable (Request, Context) async -> Response
    ) {
        self.methods = methods
        self.isCrossOrigin = isCrossOrigin
        self.respond = respond
    }

    func mount<Routes: RouterMethods<Context>>(at path: String, on router: Routes) {
        let path = RouterPath(path)
        let allowed = (methods + (isCrossOrigin ? [.options] : [])).map(\.rawValue).joined(separator: ", ")
        for method in methods {
            router.on(path, method: method) { [respond, isCrossOrigin] request, context in
                let response = await respond(request, context)
                return isCrossOrigin ? response.readable(by: request) : response
            }
        }
        if isCrossOrigin {
            router.on(path, method: .options) { request, _ in Response.preflight(request, allowed) }
        }
        for method in HTTPRequest.Method.known
        where !methods.contains(method) && !(isCrossOrigin && method == .options) {
            router.on(path, method: method) { [isCrossOrigin] request, _ in
                let refusal = Response(Refusal.method(allowed), to: request, headers: [.allow: allowed])
                return isCrossOrigin ? refusal.readable(by: request) : refusal
            }
        }
    }
}

extension HTTPRequest.Method {
    /// Those that are told what an address takes; what is no method of HTTP finds nothing there.
    static let known: [HTTPRequest.Method] =
        [.get, .head, .post, .put, .patch, .delete, .options, .trace, .connect]
        + [HTTPRequest.Method("QUERY")].compactMap(\.self)
}

extension Response {
    /// What a browser reads out of an answer to another origin's script: without `Origin`, nothing is added.
    /// The answer is the same for every origin, so that no cache has to tell them apart.
    fileprivate consuming func readable(by request: Request) -> Response {
        guard request.headers.contains(.origin) || headers.only(.cacheControl) != "no-store" else {
            return self
        }
        headers[.accessControlAllowOrigin] = "*"
        headers[.accessControlExposeHeaders] = "Retry-After, WWW-Authenticate, X-Request-Id"
        return self
    }

    /// Fetch standard, CORS-preflight request: `*` stands for every field but `Authorization`; browsers from before 2022 read
    /// it as a name.
    fileprivate static func preflight(_ request: Request, _ allowed: String) -> Response {
        var headers: HTTPFields = [
            .allow: allowed, .cacheControl: "no-store", .requestID: RequestID().description,
        ]
        if request.headers.contains(.origin) {
            headers[.accessControlAllowOrigin] = "*"
            headers[.accessControlAllowMethods] = allowed
            headers[.accessControlAllowHeaders] = "Authorization, Content-Type, MCP-Protocol-Version, *"
            headers[.accessControlMaxAge] = "7200"
        }
        return Response(status: .noContent, headers: headers)
    }
}

/// A router on which every route has two addresses: its own, for a proxy that takes the path of the issuer's URL off, and
/// one below that path, for a proxy that keeps it.
///
/// An address that two routes come to (an issuer at `/api`, and a profile with `/api/oauth2/token` of its own) belongs to
/// the first: a router takes no address twice.
final class IssuerPaths<Routes: RouterMethods>: RouterMethods {
    typealias Context = Routes.Context

    private let router: Routes
    private let prefix: RouterPath
    private var taken: Set<String> = []

    init(_ router: Routes, of issuer: TokenIssuer) {
        self.router = router
        prefix = RouterPath(issuer.path)
    }

    func on<Responder: HTTPResponder>(
        _ path: RouterPath, method: HTTPRequest.Method, responder: Responder
    ) -> Self where Responder.Context == Context {
        for path in [path, prefix.appendingPath(path)]
        where taken.insert("\(method.rawValue) \(path)").inserted {
            _ = router.on(path, method: method, responder: responder)
        }
        return self
    }

    func add(middleware: any MiddlewareProtocol<Request, Response, Context>) -> Self {
        _ = router.add(middleware: middleware)
        return self
    }
}

extension RouterPath {
    /// A path of a URL, without a slash at its end. Nil where a router would read a part of it as a pattern.
    static func literal(_ path: String) -> String? {
        let parts = path.split(separator: "/")
        let isPattern = parts.contains { part in
            [":", "{", "*"].contains { part.hasPrefix($0) } || ["}", "*"].contains { part.hasSuffix($0) }
        }
        return isPattern ? nil : parts.map { "/" + $0 }.joined()
    }
}

extension TokenIssuer {
    /// The path of the issuer's URL, without a slash at its end. Empty for an issuer without a path, or where
    /// a router would read a part of it as a pattern: then a proxy takes it off.
    var path: String {
        issuer.flatMap { URLComponents(string: $0) }.flatMap { RouterPath.literal($0.percentEncodedPath) }
            ?? ""
    }
}
