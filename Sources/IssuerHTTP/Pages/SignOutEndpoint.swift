import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault

/// `GET` and `POST /sign-out`: asks, and ends the session.
struct SignOutEndpoint: Sendable {
    private let issuer: TokenIssuer
    private let pages: Pages
    private let body: FormBody
    private var cookies: BrowserCookies { BrowserCookies(issuer) }

    init(_ issuer: TokenIssuer, _ pages: Pages, _ body: FormBody) {
        self.issuer = issuer
        self.pages = pages
        self.body = body
    }

    func get(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            var values: [String: Any] = [
                "action": pages.link(PagePaths.signOut), "signIn": pages.link(PagePaths.signIn),
                "consents": pages.link(PagePaths.consents),
            ]
            if let session = try cookies.session(of: request) {
                values["title"] = "Sign out?"
                values["user"] = session.user.name.displayed
                values["form"] = try SignOutForm(session: session.id).sealed(by: issuer.vault)
            } else {
                values["title"] = "You are signed out"
            }
            return pages.page(.signOut, values, to: request, id)
        }
    }

    func post(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(SignOutForm.self, by: issuer.vault) else { throw Refusal.expired }
            if let session = try cookies.session(of: request), let cookie = cookies.sessionCookie(of: request)
            {
                guard session.id == form.session else { throw Refusal.foreignForm }
                try await issuer.vault.endSession(cookie)
            }
            return pages.seeOther(
                pages.link(PagePaths.signOut), to: request, id,
                headers: [.setCookie: cookies.endingSession])
        }
    }
}

/// Which session to end.
private struct SignOutForm: PageForm {
    static let purpose = "sign-out"
    let session: String
}
