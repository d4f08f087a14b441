public import Hummingbird
public import TokenIssuer
import VaultCore

/// Says who is using the browser: the host's own users, or those of the vault (``SignInPages``).
public protocol UserSource: Sendable {
    /// Who is signed in; nil: nobody. Its `session` must name one session of one browser, so that forms shown
    /// there work nowhere else.
    func user(of request: Request) async throws -> AuthenticatedUser?

    /// What the browser gets when somebody must sign in, or sign in again.
    ///
    /// Afterwards the browser is sent to ``SignInRequest/returnTo`` and the request goes on. Leave `form-action` out of
    /// the Content-Security-Policy of a page with a form for this: browsers apply it to every redirect after the form,
    /// and the last of them may lead to the client and further.
    func signIn(_ need: SignInRequest, for request: Request) async throws -> Response
}

/// Why somebody must sign in, and where to go then.
public struct SignInRequest: Sendable, Codable {
    /// A path on this server, with its query: send the browser there with 303 after the sign-in.
    public let returnTo: String
    /// The application that wants to know; nil: none, the user came by itself.
    public let clientName: String?
    /// Whom the client expects (`login_hint`): text from outside.
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
/// let users = UserAuthentication { request in
///     guard let session = try await sessions.find(request) else { return nil }
///     return AuthenticatedUser(id: session.vaultUser, authenticatedAt: session.start, session: session.id)
/// } signIn: { need, _ in
///     let next = need.returnTo.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
///     return Response(status: .seeOther, headers: [.location: "/login?next=" + next])
/// }
/// ```
public struct UserAuthentication: UserSource {
    private let find: @Sendable (Request) async throws -> AuthenticatedUser?
    private let send: @Sendable (SignInRequest, Request) async throws -> Response

    /// - Parameters:
    ///   - find: who is signed in; the identifier is that of a user of the vault (`vault.user(named:)`).
    ///   - signIn: sends the browser to sign in and come back.
    public init(
        _ find: @escaping @Sendable (Request) async throws -> AuthenticatedUser?,
        signIn: @escaping @Sendable (SignInRequest, Request) async throws -> Response
    ) {
        self.find = find
        send = signIn
    }

    public func user(of request: Request) async throws -> AuthenticatedUser? { try await find(request) }

    public func signIn(_ need: SignInRequest, for request: Request) async throws -> Response {
        try await send(need, request)
    }
}
