public import Hummingbird
public import TokenIssuer

/// The issuer's endpoints, to be mounted in an application of one's own or served by ``IssuerServer``.
///
/// ```swift
/// let router = Router()
/// IssuerRoutes(TokenIssuer(vault: vault)).mount(on: router)
/// ```
///
/// Every answer with something of one's own in it says `Cache-Control: no-store`, and all carry an `X-Request-Id`, which
/// the audit log repeats. Failed client authentication is throttled per client and address where the context is a
/// `RemoteAddressRequestContext`: without an address it is not counted.
public struct IssuerRoutes: Sendable {
    private let issuer: TokenIssuer
    private let limits: RequestLimits

    /// - Parameter limits: what a request may be.
    public init(_ issuer: TokenIssuer, limits: RequestLimits = RequestLimits()) {
        self.issuer = issuer
        self.limits = limits
    }

    /// Adds every endpoint that the issuer has switched on, and `/health/live` and `/health/ready`. Below the
    /// router's root: well-known addresses are there. An issuer whose URL has a path is served under that
    /// path as well as without it, for proxies that take it off.
    public func mount<Routes: RouterMethods>(on router: Routes) {
        let router = IssuerPaths(router, of: issuer)
        mountToken(on: router)
        let revocation = FormRoute.revocation(issuer, limits)
        mount(
            Endpoint(.post, isCrossOrigin: true) { request, context in
                await revocation.respond(to: request, from: network(request, context))
            }, .revocation, at: ["/oauth2/revoke"], on: router)
        // No script in a browser is a resource server.
        let introspection = FormRoute.introspection(issuer, limits)
        mount(
            Endpoint(.post) { request, context in
                await introspection.respond(to: request, from: network(request, context))
            }, .introspection, at: ["/oauth2/introspect"], on: router)
        mountOpenID(on: router)
        mountMetadata(on: router)
        for (path, respond) in HealthRoutes(issuer).paths {
            Endpoint<Routes.Context>(.get, .head) { request, _ in await respond(request) }
                .mount(at: path, on: router)
        }
    }

    /// What the throttle of clients counts by.
    private func network(_ request: Request, _ context: some RequestContext) -> @Sendable () -> String? {
        let peer = PeerAddress.of(request, context, limits, issuer)
        return { peer().network }
    }

    private func mountToken<Routes: RouterMethods>(on router: Routes) {
        let endpoint: Endpoint<Routes.Context>
        if issuer.profile.acceptsLegacyGet {
            let token = LegacyTokenRoute(issuer, limits)
            endpoint = Endpoint(.post, .get, isCrossOrigin: true) { request, context in
                await token.respond(to: request, from: network(request, context))
            }
        } else {
            // RFC 6749 section 3.2: "The client MUST use the HTTP "POST" method when making access token requests."
            let token = TokenRoute(issuer, limits)
            endpoint = Endpoint(.post, isCrossOrigin: true) { request, context in
                await token.respond(to: request, from: network(request, context))
            }
        }
        mount(endpoint, .token, at: issuer.profile.tokenPaths, on: router)
    }

    private func mountOpenID<Routes: RouterMethods>(on router: Routes) {
        guard issuer.idTokens != nil else { return }
        let userinfo = UserinfoRoute(issuer, limits)
        mount(
            Endpoint<Routes.Context>(.get, .post, .head, isCrossOrigin: true) { request, _ in
                await userinfo.respond(to: request)
            }, .userinfo, at: ["/oauth2/userinfo"], on: router)
        let keys = MetadataRoute { [issuer] () throws(OAuthError) in try await issuer.keySet() }
        mount(
            Endpoint<Routes.Context>(.get, .head, isCrossOrigin: true) { request, _ in
                await keys.respond(to: request)
            }, .keySet, at: ["/oauth2/jwks"], on: router)
    }

    private func mountMetadata<Routes: RouterMethods>(on router: Routes) {
        guard issuer.url != nil else { return }
        let route = MetadataRoute { [issuer] () throws(OAuthError) in try await issuer.metadata() }
        let endpoint = Endpoint<Routes.Context>(.get, .head, isCrossOrigin: true) { request, _ in
            await route.respond(to: request)
        }
        let names =
            ["oauth-authorization-server"] + (issuer.idTokens == nil ? [] : ["openid-configuration"])
        for path in names.flatMap({ MetadataRoute.paths($0, issuerPath: issuer.path) }) {
            endpoint.mount(at: path, on: router)
        }
    }

    private func mount<Routes: RouterMethods>(
        _ endpoint: Endpoint<Routes.Context>, _ name: MountedEndpoints.Name, at paths: [String],
        on router: Routes
    ) {
        for path in paths {
            issuer.endpoints.add(name, at: path)
            endpoint.mount(at: path, on: router)
        }
    }
}
