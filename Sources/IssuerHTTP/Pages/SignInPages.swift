public import Hummingbird
public import TokenIssuer
import TokenVault
import VaultCore

/// Signs in users of the vault by name and password: the bundled ``UserSource``.
///
/// ```swift
/// let pages = SignInPages(issuer)
/// pages.mount(on: router)
/// ```
///
/// The session is a sealed cookie: `HttpOnly`, `SameSite=Lax`, and `Secure` where the issuer's URL is https.
public struct SignInPages: UserSource {
    private let issuer: TokenIssuer
    private let pages: Pages
    private let endpoint: SignInEndpoint
    private let signOut: SignOutEndpoint

    /// - Parameter sessionLifetime: after this the user signs in again; the browser forgets it sooner, when closed.
    public init(
        _ issuer: TokenIssuer, sessionLifetime: Duration = .seconds(12 * 3600),
        limits: RequestLimits = RequestLimits()
    ) {
        self.issuer = issuer
        pages = Pages(issuer, limits)
        let body = FormBody(limits)
        endpoint = SignInEndpoint(issuer, pages, body, lifetime: sessionLifetime)
        signOut = SignOutEndpoint(issuer, pages, body)
    }

    /// Adds `/sign-in` and `/sign-out`.
    public func mount<Routes: RouterMethods>(on router: Routes) {
        let router = IssuerPaths(router, of: issuer)
        let signIn = endpoint
        let signOut = signOut
        pages.mount(
            PagePaths.signIn, on: router,
            [
                (.get, { request, _ in await signIn.get(request) }),
                (.post, { await signIn.post($0, $1) }),
            ])
        pages.mount(
            PagePaths.signOut, on: router,
            [
                (.get, { request, _ in await signOut.get(request) }),
                (.post, { request, _ in await signOut.post(request) }),
            ])
    }

    public func user(of request: Request) async throws -> AuthenticatedUser? {
        guard let session = try BrowserCookies(issuer).session(of: request) else { return nil }
        return AuthenticatedUser(
            id: session.user.id, authenticatedAt: session.signedInAt, session: session.id)
    }

    public func signIn(_ need: SignInRequest, for request: Request) async throws -> Response {
        try endpoint.page(need, for: request)
    }
}
