import Foundation
import HTTPTypes
import Hummingbird
import TokenIssuer

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

extension TokenIssuer {
    /// The path of the issuer's URL, without a slash at its end. Empty for an issuer without a path, or where
    /// a router would read a part of it as a pattern: then a proxy takes it off.
    var path: String {
        guard let issuer, let path = URLComponents(string: issuer)?.percentEncodedPath else { return "" }
        let parts = path.split(separator: "/")
        let isPattern = parts.contains { part in
            [":", "{", "*"].contains { part.hasPrefix($0) } || ["}", "*"].contains { part.hasSuffix($0) }
        }
        return isPattern ? "" : parts.map { "/" + $0 }.joined()
    }
}
