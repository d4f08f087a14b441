import Foundation
import HTTPTypes
import Hummingbird
import IssuerHTTP
import Synchronization
import TokenIssuer
import TokenVault

/// The users of this service; in memory, to keep the example short.
final class Members: Sendable {
    private struct Member {
        let email: String
        let kilograms: [Int]
    }

    private struct SignIn {
        let user: OwnerID
        let at: VaultInstant
    }

    private struct Form: Decodable {
        let name: String
    }

    private static let known = [
        "alice": Member(email: "alice@example.com", kilograms: [61, 60]),
        "bob": Member(email: "bob@example.com", kilograms: [80]),
    ]

    private let vault: Vault
    private let sessions = Mutex<[String: SignIn]>([:])
    /// The path to continue at after a sign-in, by the cookie of the browser.
    private let waiting = Mutex<[String: String]>([:])

    init(_ vault: Vault) { self.vault = vault }

    func measurements(of user: User) -> [Int] { Self.known[user.name]?.kilograms ?? [] }

    /// The claims about a user for applications with the scope `email`.
    var claims: ClaimSource {
        ClaimSource(["email"]) { user, scope in
            guard scope.names.contains("email"), let member = Self.known[user.name] else { return [:] }
            return ["email": .string(member.email)]
        }
    }

    /// Tells the authorization endpoint who is signed in, and sends other browsers to the sign-in.
    var authentication: UserAuthentication<ServiceContext> {
        UserAuthentication(signOutPath: "/sign-out") { [self] request, _ in
            guard let id = request.cookies["session"]?.value, let found = sessions.withLock({ $0[id] })
            else { return nil }
            return AuthenticatedUser(id: found.user, authenticatedAt: found.at, session: id)
        } signIn: { [self] need, _, _ in
            let id = Self.secretName()
            // Strangers can begin sign-ins, so their number is bounded.
            waiting.withLock { waiting in
                if waiting.count >= 10_000 { waiting.removeAll() }
                waiting[id] = need.returnTo
            }
            return Self.redirect(to: "/sign-in", setting: "sign-in", to: id)
        }
    }

    /// The sign-in of this service asks for a name only. Yours asks for a password or a passkey.
    func addSignIn(to router: Router<ServiceContext>) {
        router.get("sign-in") { _, _ in
            Self.page(
                "Sign in", "<label>Name <input name=\"name\" autocomplete=\"username\" required></label>")
        }
        router.post("sign-in") { [self] request, context in
            let form = try await URLEncodedFormDecoder().decode(Form.self, from: request, context: context)
            // A sign-in that began in this browser, once: a form of another site brings no cookie.
            guard let waitingID = request.cookies["sign-in"]?.value,
                let next = waiting.withLock({ $0.removeValue(forKey: waitingID) }),
                Self.known[form.name] != nil
            else { throw HTTPError(.forbidden, message: "Start again at the application.") }
            let id = Self.secretName()
            // The vault knows users by name only.
            let user = try await vault.users.findOrAdd(form.name).id
            let signIn = SignIn(user: user, at: SystemClock().now())
            sessions.withLock { $0[id] = signIn }
            return Self.redirect(to: next, setting: "session", to: id)
        }
        router.get("sign-out") { _, _ in Self.page("Sign out") }
        router.post("sign-out") { [self] request, _ in
            if let id = request.cookies["session"]?.value { sessions.withLock { $0[id] = nil } }
            return "You are signed out.\n"
        }
    }

    private static func page(_ title: String, _ fields: String = "") -> Response {
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

    /// With https, the cookie is `secure` too.
    private static func redirect(to next: String, setting cookie: String, to value: String) -> Response {
        var response = Response(status: .seeOther, headers: [.location: next])
        response.setCookie(Cookie(name: cookie, value: value, path: "/", httpOnly: true, sameSite: .lax))
        return response
    }

    /// 122 random bits.
    private static func secretName() -> String { UUID().uuidString }
}
