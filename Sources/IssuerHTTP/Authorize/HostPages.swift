public import Hummingbird
public import TokenIssuer
import VaultCore

/// Says who is using the browser: the host's own users, or those of the vault (``SignInPages``).
public protocol UserSource<Context>: Sendable {
    /// Context of the router that the routes are added to.
    associatedtype Context: RequestContext

    /// The signed-in user; nil: no user. Its `session` must name one session of one browser, so that forms shown
    /// there work nowhere else.
    func user(of request: Request, context: Context) async throws -> AuthenticatedUser?

    /// The response to a browser whose user must sign in, or sign in again.
    ///
    /// Afterwards the browser is sent to ``SignInRequest/returnTo`` and the request goes on. Leave `form-action` out of
    /// the Content-Security-Policy of a page with a form for this: browsers apply it to every redirect after the form,
    /// and the last of them may lead to the client and further. Headers that it lacks are added as to a ``ConsentPage``.
    func signIn(_ need: SignInRequest, for request: Request, context: Context) async throws -> Response

    /// Where the page of consents sends users to sign out: an address that a link may lead to. Nil: there is no link.
    var signOutPath: String? { get }

    /// Adds pages of its own, with the routes that need them. Without an implementation: none.
    func addRoutes(to router: some RouterMethods<Context>)
}

extension UserSource {
    public var signOutPath: String? { nil }

    public func addRoutes(to router: some RouterMethods<Context>) {}
}

/// A request to sign in: its reason, and where to continue.
public struct SignInRequest: Sendable, Codable {
    /// A path on this server, with its query: send the browser there with 303 after the sign-in.
    public let returnTo: String
    /// The application that asks; nil if the user opened the page without one.
    public let clientName: String?
    /// The user that the client expects (`login_hint`): text from outside.
    public let loginHint: String?

    public init(returnTo: String, clientName: String? = nil, loginHint: String? = nil) {
        self.returnTo = returnTo
        self.clientName = clientName
        self.loginHint = loginHint
    }
}

/// Users of the host, as two closures.
///
/// ```swift
/// let users = UserAuthentication<AppContext> { _, context in
///     guard let session = context.session else { return nil }
///     return AuthenticatedUser(id: session.vaultUser, authenticatedAt: session.start, session: session.id)
/// } signIn: { need, _, _ in
///     let next = need.returnTo.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
///     return Response(status: .seeOther, headers: [.location: "/login?next=" + next])
/// }
/// ```
public struct UserAuthentication<Context: RequestContext>: UserSource {
    private let find: @Sendable (Request, Context) async throws -> AuthenticatedUser?
    private let send: @Sendable (SignInRequest, Request, Context) async throws -> Response
    public let signOutPath: String?

    /// - Parameters:
    ///   - signOutPath: the host's page to sign out, for the page of consents to link to.
    ///   - find: who is signed in; the identifier is that of a user of the vault (`vault.users.findOrAdd(_:)`). Names are found
    ///     by every spelling, so identifiers in which case counts are written as hexadecimal for them.
    ///   - signIn: sends the browser to sign in and come back.
    public init(
        signOutPath: String? = nil,
        _ find: @escaping @Sendable (Request, Context) async throws -> AuthenticatedUser?,
        signIn: @escaping @Sendable (SignInRequest, Request, Context) async throws -> Response
    ) {
        self.signOutPath = signOutPath
        self.find = find
        send = signIn
    }

    public func user(of request: Request, context: Context) async throws -> AuthenticatedUser? {
        try await find(request, context)
    }

    public func signIn(
        _ need: SignInRequest, for request: Request, context: Context
    ) async throws -> Response {
        try await send(need, request, context)
    }
}

/// Asks the user whether a client may have what it requests. Replace it to ask in the host's own words and
/// looks.
public protocol ConsentPage<Context>: Sendable {
    /// Context of the router that the routes are added to.
    associatedtype Context: RequestContext

    /// A page with a form that posts to ``ConsentQuestion/action``.
    ///
    /// Its fields: `form`, with the value of ``ConsentQuestion/form``, and `decision`, `allow` or `deny`. Leave
    /// `form-action` out of the page's Content-Security-Policy: browsers apply it to every redirect after the form,
    /// so it would stop clients whose callback redirects on.
    ///
    /// Headers that the page does not set are added (RFC 9700 section 4.16): `Cache-Control: no-store`,
    /// `Referrer-Policy: no-referrer` and, unless its policy has that directive, a second policy
    /// `frame-ancestors 'none'`. With `no-referrer`, browsers send forms with `Origin: null`: a host that checks `Origin`
    /// sets `Referrer-Policy: same-origin`.
    func response(
        to question: ConsentQuestion, for request: Request, context: Context
    ) async throws -> Response
}

/// The question on the consent page.
public struct ConsentQuestion: Sendable {
    /// The client's name as registered: text from outside where clients register themselves.
    public let clientName: String
    public let clientID: String
    public let userName: String
    public let scopes: [ScopeDescription]
    /// The service that the access is for, as the client names it (RFC 8707): text from outside. Nil when it names none.
    public let resource: String?
    /// The host or app that the browser goes to then, for people to read.
    public let destination: String
    /// Whether the application registered itself, so that its name is a stranger's claim.
    public let isSelfRegistered: Bool
    /// What the user must know before anything else: that the application chose its name itself, or that any program on the
    /// device can pose as it. Nil for neither.
    public let caution: String?
    /// The path to post the answer to.
    public let action: String
    /// Goes into the hidden field `form`: it binds the answer to this request, user and session.
    public let form: String
}

/// A name of a scope, and what it allows.
public struct ScopeDescription: Sendable {
    public let name: String
    /// The description of the scope; nil if it has none.
    public let text: String?
}

/// The descriptions of scopes on the consent page.
public struct ScopeDescriptions: Sendable {
    private let own: [String: String]

    /// - Parameter texts: by name of scope; added to ``standard`` and to what the operator declared
    ///   (`tokenvault scope add`), which they may override.
    public init(_ texts: [String: String]) { own = texts }

    /// Those of OpenID Connect and of the QuantiModo API. `profile` and `email` are described where the
    /// issuer tells such claims (`ClaimSource`), and shown by name elsewhere.
    public static let standard = ScopeDescriptions([:])

    /// - Parameters:
    ///   - declared: the operator's texts, by name of scope.
    ///   - claims: what the issuer tells of users.
    func describe(
        _ names: [String], declared: [String: String], telling claims: [String]
    ) -> [ScopeDescription] {
        names.map { name in
            let isTold = Self.claims[name].map { !$0.isDisjoint(with: claims) } ?? true
            return ScopeDescription(
                name: name, text: own[name] ?? declared[name] ?? (isTold ? Self.builtIn[name] : nil))
        }
    }

    /// The claims that a text promises (OpenID Connect Core section 5.4).
    private static let claims: [String: Set<String>] = [
        "profile": ["name", "given_name", "family_name", "nickname", "preferred_username"],
        "email": ["email"],
    ]

    private static let builtIn = [
        "openid": "Know who you are when you sign in",
        "profile": "See your profile, such as your name",
        "email": "See your email address",
        "offline_access": "Keep this access while you are away, until you withdraw it",
        "basic": "See your basic account information, such as your display name",
        "readmeasurements": "Read your measurements",
        "writemeasurements": "Add and change your measurements",
    ]
}
