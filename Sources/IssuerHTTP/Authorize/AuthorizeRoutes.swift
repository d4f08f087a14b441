import HTTPTypes
public import Hummingbird
public import TokenIssuer
import TokenVault

/// The authorization endpoint, and what a user needs around it: the consent page, and a page to take consent back.
///
/// ```swift
/// let pages = SignInPages(issuer)
/// pages.mount(on: router)
/// AuthorizeRoutes(issuer, users: pages).mount(on: router)
/// ```
///
/// With users of one's own, pass a ``UserAuthentication`` and leave ``SignInPages`` out. The issuer must know its URL.
/// Mount on the router itself: where that URL has a path, every address answers with it and without it.
public struct AuthorizeRoutes: Sendable {
    private let issuer: TokenIssuer
    private let authorize: AuthorizeEndpoint
    private let consent: ConsentEndpoint
    private let consents: ConsentsEndpoint
    private let pages: Pages

    /// - Parameters:
    ///   - users: who is signed in.
    ///   - consentPage: nil: the bundled one.
    ///   - scopes: how the bundled pages explain scopes.
    public init(
        _ issuer: TokenIssuer, users: any UserSource, consentPage: (any ConsentPage)? = nil,
        scopes: ScopeDescriptions = .standard, limits: RequestLimits = RequestLimits()
    ) {
        self.issuer = issuer
        pages = Pages(issuer, limits)
        let consentPage = consentPage ?? BundledConsentPage(pages)
        let steps = AuthorizationSteps(issuer, users, consentPage, scopes, pages)
        authorize = AuthorizeEndpoint(steps, FormBody(limits))
        consent = ConsentEndpoint(steps, FormBody(limits))
        consents = ConsentsEndpoint(steps, FormBody(limits))
    }

    /// Adds the authorization endpoint under every path of the profile, `/consent`, `/account/consents` and
    /// what the pages fetch. None of them answers other origins (RFC 9700 section 2.6): put no CORS
    /// middleware in front.
    public func mount<Routes: RouterMethods>(on router: Routes) {
        let router = IssuerPaths(router, of: issuer)
        for path in issuer.profile.authorizePaths {
            issuer.endpoints.add(.authorization, at: path)
            pages.mount(
                path, on: router,
                [
                    (.get, { request, _ in await authorize.get(request) }),
                    (.post, { request, _ in await authorize.post(request) }),
                ])
        }
        pages.mount(PagePaths.consent, on: router, [(.post, { request, _ in await consent.post(request) })])
        pages.mount(
            PagePaths.consents, on: router,
            [
                (.get, { request, _ in await consents.get(request) }),
                (.post, { request, _ in await consents.post(request) }),
            ])
        for asset in PageAsset.allCases {
            pages.mount(asset.path, on: router, [(.get, { request, _ in asset.response(to: request) })])
        }
    }
}
