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

    /// Adds every endpoint that the issuer has switched on, and `/health/live` and `/health/ready`.
    public func mount<Routes: RouterMethods>(on router: Routes) {
        let token = TokenRoute(issuer, limits)
        // RFC 6749 section 3.2: "The client MUST use the HTTP "POST" method when making access token requests."
        let tokenEndpoint = Endpoint<Routes.Context>(.post, isCrossOrigin: true) {
            [limits] request, context in
            await token.respond(to: request, from: PeerAddress.of(request, context, limits))
        }
        for path in issuer.profile.tokenPaths { tokenEndpoint.mount(at: path, on: router) }
        for (path, respond) in HealthRoutes(issuer).paths {
            Endpoint<Routes.Context>(.get, .head) { request, _ in await respond(request) }
                .mount(at: path, on: router)
        }
    }
}
