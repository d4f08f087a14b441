import Foundation
import HTTPTypes
import Hummingbird
import IssuerHTTP
import NIOCore
import Synchronization
import TokenIssuer
import TokenVault

/// A request: who is signed in, what its access token stands for, and where it comes from.
struct DiaryContext: BearerRequestContext, RemoteAddressRequestContext {
    var coreContext: CoreRequestContextStorage
    /// Set by the middleware below, as HummingbirdAuth sets it.
    var identity: AuthenticatedUser?
    /// Set by `BearerAuthenticator`.
    var accessToken: ValidToken?
    /// Wrong client secrets are counted by address.
    let remoteAddress: SocketAddress?

    init(source: ApplicationRequestContextSource) {
        coreContext = .init(source: source)
        remoteAddress = source.channel.remoteAddress
    }
}

/// The accounts of the diary, as it had them before it issued tokens; in memory, to keep the example short.
final class Accounts: Sendable {
    private let vault: Vault
    private let sessions = Mutex<[String: AuthenticatedUser]>([:])

    init(_ vault: Vault) { self.vault = vault }

    func session(_ id: String?) -> AuthenticatedUser? { id.flatMap { id in sessions.withLock { $0[id] } } }

    /// Tells the issuer who is signed in, and where users sign in and out.
    var authentication: UserAuthentication<DiaryContext> {
        UserAuthentication(signOutPath: "/sign-out") { _, context in
            context.identity
        } signIn: { need, _, _ in
            let next = need.returnTo.addingPercentEncoding(withAllowedCharacters: .alphanumerics) ?? ""
            return Response(status: .seeOther, headers: [.location: "/sign-in?next=" + next])
        }
    }

    /// Yours asks for a password or a passkey.
    func addSignIn(to router: Router<DiaryContext>) {
        router.get("sign-in") { _, _ in page("Sign in", #"<input name="name" aria-label="Name" required>"#) }
        router.post("sign-in") { [self] request, context in
            try requireOwnForm(request)
            struct Form: Decodable { let name: String }
            let form = try await URLEncodedFormDecoder().decode(Form.self, from: request, context: context)
            let next = request.uri.queryParameters.get("next") ?? "/account/consents"
            // Links of other sites may lead here too, but not on to them.
            guard next.hasPrefix("/oauth2/authorize?") || next == "/account/consents" else {
                throw HTTPError(.badRequest)
            }
            let user = try await vault.users.findOrAdd(form.name)
            let id = UUID().uuidString
            let session = AuthenticatedUser(id: user.id, authenticatedAt: SystemClock().now(), session: id)
            sessions.withLock { $0[id] = session }
            var response = Response(status: .seeOther, headers: [.location: next])
            // With https, the cookie is `secure` too.
            response.setCookie(Cookie(name: "session", value: id, path: "/", httpOnly: true, sameSite: .lax))
            return response
        }
        router.get("sign-out") { _, _ in page("Sign out") }
        router.post("sign-out") { [self] request, context in
            try requireOwnForm(request)
            sessions.withLock { $0[context.identity?.session ?? ""] = nil }
            return "You are signed out.\n"
        }
    }
}

/// Finds the session of a request before any route does.
struct SessionAuthenticator: RouterMiddleware {
    let accounts: Accounts

    func handle(
        _ request: Request, context: DiaryContext, next: (Request, DiaryContext) async throws -> Response
    ) async throws -> Response {
        var context = context
        context.identity = accounts.session(request.cookies["session"]?.value)
        return try await next(request, context)
    }
}

/// Refuses a form that another site sends: it would sign the browser in as a user of that site's choice.
private func requireOwnForm(_ request: Request) throws {
    let site = HTTPField.Name("Sec-Fetch-Site").flatMap { request.headers[$0] } ?? "same-origin"
    guard site == "same-origin" else { throw HTTPError(.forbidden) }
}

private func page(_ title: String, _ fields: String = "") -> Response {
    let text = """
        <!doctype html><html lang="en"><title>\(title)</title>
        <form method="post">\(fields) <button>\(title)</button></form></html>
        """
    return Response(
        status: .ok,
        headers: [
            .contentType: "text/html; charset=utf-8", .cacheControl: "no-store",
            .contentSecurityPolicy: "frame-ancestors 'none'",
        ], body: ResponseBody(byteBuffer: ByteBuffer(string: text)))
}
