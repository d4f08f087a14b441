import HTTPTypes
public import Hummingbird
public import TokenIssuer
import TokenVault
import VaultCore

/// The issuer's endpoints, to be added to your application or served by ``IssuerServer``.
///
/// ```swift
/// let router = Router()
/// router.addRoutes(IssuerRoutes(TokenIssuer(vault: vault)))
/// ```
///
/// Every answer with private data has `Cache-Control: no-store`, and all have an `X-Request-Id`, which
/// the audit log repeats. Failed client authentication is throttled per client and address where the context is a
/// `RemoteAddressRequestContext`: without an address it is not counted.
public struct IssuerRoutes: Sendable {
    private let issuer: TokenIssuer
    private let configuration: RequestConfiguration

    /// - Parameter configuration: what a request may be.
    public init(_ issuer: TokenIssuer, configuration: RequestConfiguration = RequestConfiguration()) {
        self.issuer = issuer
        self.configuration = configuration
    }

    fileprivate func add<Routes: RouterMethods>(to router: Routes) {
        let router = IssuerPaths(router, of: issuer)
        let profile = issuer.profile
        let token = FormRoute(issuer, configuration, takesQuery: profile.acceptsLegacyGet) { [issuer] sent in
            let tokens = try await issuer.token(TokenRequest(sent, profile))
            return Response(
                json: tokens.json(inCamelCaseToo: profile.repeatsInCamelCase), to: sent.request, id: sent.id)
        }
        // RFC 6749 section 3.2: "The client MUST use the HTTP "POST" method when making access token requests."
        mount(
            Endpoint(
                profile.acceptsLegacyGet ? [.post, .get] : [.post], isCrossOrigin: true,
                respond: token.respond),
            .token, at: profile.tokenPaths, on: router)
        let revocation = FormRoute(issuer, configuration) { [issuer] sent in
            let shown = try ShownToken(sent, profile)
            try await issuer.revoke(shown.token, for: shown.credentials, from: sent.origin)
            return Response(
                status: .ok,
                headers: [
                    .cacheControl: "no-store", .pragma: "no-cache", .contentLength: "0",
                    .requestID: sent.id.description,
                ])
        }
        mount(
            Endpoint([.post], isCrossOrigin: true, respond: revocation.respond), .revocation,
            at: ["/oauth2/revoke"], on: router)
        let introspection = FormRoute(issuer, configuration) { [issuer] sent in
            let shown = try ShownToken(sent, profile)
            let found = try await issuer.introspect(shown.token, for: shown.credentials, from: sent.origin)
            return Response(
                json: try IntrospectionMembers(found, issuer).json(), to: sent.request, id: sent.id)
        }
        // No script in a browser is a resource server.
        mount(
            Endpoint([.post], respond: introspection.respond), .introspection, at: ["/oauth2/introspect"],
            on: router)
        mountRegistration(on: router)
        mountOpenID(on: router)
        mountMetadata(on: router)
        for (path, respond) in HealthRoutes(issuer).paths {
            Endpoint<Routes.Context>([.get, .head]) { request, _ in await respond(request) }
                .mount(at: path, on: router)
        }
    }

    private func mountRegistration<Routes: RouterMethods>(on router: Routes) {
        guard issuer.registration?.takesRequests == true else { return }
        mount(
            Endpoint<Routes.Context>([.post], isCrossOrigin: true) { request, context in
                await register(request, from: PeerAddress.of(request, context, configuration, issuer))
            },
            .registration, at: ["/oauth2/register"], on: router)
    }

    private func mountOpenID<Routes: RouterMethods>(on router: Routes) {
        guard issuer.idTokens != nil else { return }
        mount(
            Endpoint<Routes.Context>([.get, .post, .head], isCrossOrigin: true) { request, _ in
                await userinfo(request)
            }, .userinfo, at: ["/oauth2/userinfo"], on: router)
        mount(
            Endpoint<Routes.Context>([.get, .head], isCrossOrigin: true) { request, _ in
                await Self.publish(to: request) { try await issuer.keySet() }
            }, .keySet, at: ["/oauth2/jwks"], on: router)
    }

    /// The documents are below the path of the issuer's URL (OpenID Connect Discovery section 4.1), and RFC 8414
    /// section 3.1 puts that path behind the well-known part.
    private func mountMetadata<Routes: RouterMethods>(on router: Routes) {
        guard issuer.url != nil else { return }
        let endpoint = Endpoint<Routes.Context>([.get, .head], isCrossOrigin: true) { request, _ in
            await Self.publish(to: request) { try await issuer.metadata().json() }
        }
        let names =
            ["oauth-authorization-server"] + (issuer.idTokens == nil ? [] : ["openid-configuration"])
        for path in names.map({ "/.well-known/" + $0 }) {
            endpoint.mount(at: path, on: router)
            if !issuer.path.isEmpty { endpoint.mount(at: path + issuer.path, on: router) }
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

extension RouterMethods {
    /// Adds every endpoint that the issuer has switched on, and `/health/live` and `/health/ready`. Below the
    /// router's root: well-known addresses are there. An issuer whose URL has a path is served under that
    /// path as well as without it, for proxies that take it off.
    @discardableResult public func addRoutes(_ routes: IssuerRoutes) -> Self {
        routes.add(to: self)
        return self
    }
}

extension IssuerRoutes {
    /// What anybody may read of an issuer: its metadata and its public keys (RFC 8414, OpenID Connect Discovery, RFC 7517).
    static func publish(
        to request: Request, _ read: () async throws -> [UInt8]?
    ) async -> Response {
        do {
            guard let json = try await read() else { return Response(Refusal.notFound, to: request) }
            var response = Response(json: json, to: request)
            // Keys stay published after a rotation for longer than this, and a client that meets an unknown key asks again.
            response.headers[.cacheControl] = "public, max-age=300"
            response.headers[.pragma] = nil
            return response
        } catch { return Response(failure: error, to: request, id: RequestID()) }
    }

    /// `POST /oauth2/register`: a client registers itself (RFC 7591 section 3).
    private func register(
        _ request: Request, from peer: @escaping @Sendable () -> PeerAddress
    ) async -> Response {
        let id = RequestID()
        do {
            let members = try await issuer.register(
                try await FormBody(configuration).read(request, isJSON: true),
                presenting: try? BearerCredentials(request, queryParameters: []).accessToken,
                from: RequestOrigin(.http, requestID: id.description, address: peer().network))
            return Response(json: try members.json(), status: .created, to: request, id: id)
        } catch let error as OAuthError where error.status == 401 {
            return BearerRefusal(error: error).response(to: request, realm: "tokenvault", id: id)
        } catch {
            return Response(failure: error, to: request, id: id)
        }
    }

    /// `GET|POST /oauth2/userinfo`: what a client may know of the user (OpenID Connect Core section 5.3).
    private func userinfo(_ request: Request) async -> Response {
        let id = RequestID()
        do {
            var form: SecretBytes?
            if request.method == .post, request.announcesBody {
                form = try Self.accessToken(in: try await FormBody(configuration).read(request))
            }
            let credentials = try BearerCredentials(
                request, queryParameters: issuer.profile.tokenParameters, form: form)
            let accessToken = try await issuer.accept(credentials, requiring: ["openid"])
            let claims: [String: ClaimValue]
            do throws(OAuthError) {
                claims = try await issuer.userinfo(accessToken)
            } catch { throw BearerRefusal(error: error) }
            return Response(json: try claims.json(), to: request, id: id)
        } catch let refusal as BearerRefusal {
            return refusal.response(to: request, realm: "tokenvault", id: id)
        } catch {
            return Response(failure: error, to: request, id: id)
        }
    }

    /// RFC 6750 section 2.2.
    private static func accessToken(in form: [UInt8]) throws(OAuthError) -> SecretBytes? {
        do { return try FormCoding.strictPairs(form).first { $0.name == "access_token" }?.value } catch {
            throw OAuthError(.invalidRequest, "The body is malformed.")
        }
    }
}

extension Request {
    /// Whether the client says that it sent something along.
    var announcesBody: Bool {
        headers.contains(.transferEncoding)
            || headers.contains(.contentLength) && headers.only(.contentLength) != "0"
    }
}
