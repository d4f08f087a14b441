public import Hummingbird
public import TokenIssuer

/// The issuer's endpoints, to be mounted in an application of one's own or served by ``IssuerServer``.
///
/// ```swift
/// let router = Router()
/// IssuerRoutes(TokenIssuer(vault: vault)).mount(on: router)
/// ```
///
/// Every response says `Cache-Control: no-store` and carries an `X-Request-Id`, which the audit log repeats.
public struct IssuerRoutes: Sendable {
    private let issuer: TokenIssuer
    private let limits: RequestLimits

    /// - Parameter limits: what a request may be.
    public init(_ issuer: TokenIssuer, limits: RequestLimits = RequestLimits()) {
        self.issuer = issuer
        self.limits = limits
    }

    /// Adds the token endpoint under every path of the profile, `/health/live` and `/health/ready`.
    public func mount<Routes: RouterMethods>(on router: Routes) {
        let token = TokenRoute(issuer, limits)
        for path in issuer.profile.tokenPaths {
            let path = RouterPath(path)
            router.on(path, method: .post) { request, _ in await token.respond(to: request) }
            // RFC 6749 section 3.2: "The client MUST use the HTTP "POST" method when making access token requests."
            refuse(
                [.get, .head, .put, .patch, .delete, .options, .trace, .connect], at: path, on: router,
                allow: "POST")
        }
        let health = HealthRoutes(issuer)
        for (path, respond) in health.paths {
            let path = RouterPath(path)
            for method in [HTTPRequest.Method.get, .head] {
                router.on(path, method: method) { request, _ in await respond(request) }
            }
            refuse(
                [.post, .put, .patch, .delete, .options, .trace, .connect], at: path, on: router,
                allow: "GET, HEAD")
        }
    }

    private func refuse(
        _ methods: [HTTPRequest.Method], at path: RouterPath, on router: some RouterMethods, allow: String
    ) {
        for method in methods {
            router.on(path, method: method) { request, _ in
                Response(Refusal.method(allow), to: request, headers: [.allow: allow])
            }
        }
    }
}
