import Foundation
import HTTPTypes
public import Hummingbird
public import TokenIssuer
import TokenVault
import VaultCore

/// Signs in users of the vault by name and password: the bundled ``UserSource``, for ``AuthorizeRoutes``.
///
/// The session is a sealed cookie: `HttpOnly`, `SameSite=Lax`, and `Secure` where the issuer's URL is https. Where a front
/// signs users in (``TrustedFront``), browsers are sent there, and no password is taken.
public struct SignInPages<Context: RequestContext>: UserSource {
    private let issuer: TokenIssuer
    private let configuration: RequestConfiguration
    private let pages: Pages
    private let body: FormBody
    private let lifetime: Duration
    private let hasFront: Bool
    private var vault: Vault { issuer.vault }
    private var cookies: BrowserCookies { BrowserCookies(issuer) }

    /// - Parameters:
    ///   - context: of the router that the pages are added to.
    ///   - sessionLifetime: after this the user signs in again; the browser forgets it sooner, when closed.
    public init(
        _ issuer: TokenIssuer, context: Context.Type = BasicRequestContext.self,
        sessionLifetime: Duration = Self.sessionLifetime,
        configuration: RequestConfiguration = RequestConfiguration()
    ) {
        self.init(
            issuer, context: context, sessionLifetime: sessionLifetime, configuration: configuration,
            hasFront: false)
    }

    init(
        _ issuer: TokenIssuer, context: Context.Type, sessionLifetime: Duration = Self.sessionLifetime,
        configuration: RequestConfiguration, hasFront: Bool
    ) {
        self.issuer = issuer
        self.configuration = configuration
        pages = Pages(issuer)
        body = FormBody(configuration)
        lifetime = sessionLifetime
        self.hasFront = hasFront
    }

    /// 12 hours.
    public static var sessionLifetime: Duration { .seconds(12 * 3600) }

    public var signOutPath: String? { pages.link(PagePaths.signOut) }

    /// Adds `/sign-in` and `/sign-out`.
    public func addRoutes(to router: some RouterMethods<Context>) {
        let router = IssuerPaths(router, of: issuer)
        var methods: [(HTTPRequest.Method, @Sendable (Request, Context) async -> Response)] = [
            (.get, { request, _ in await get(request) })
        ]
        if !hasFront { methods.append((.post, { request, context in await post(request, context) })) }
        pages.mount(PagePaths.signIn, on: router, methods)
        pages.mount(
            PagePaths.signOut, on: router,
            [
                (.get, { request, _ in await askToSignOut(request) }),
                (.post, { request, _ in await signOut(request) }),
            ])
        guard issuer.idTokens != nil else { return }
        issuer.endpoints.add(.endSession, at: PagePaths.endSession)
        pages.mount(
            PagePaths.endSession, on: router,
            [
                (.get, { request, _ in await endSession(request) }),
                (.post, { request, _ in await postEndSession(request) }),
            ])
    }

    public func user(of request: Request, context: Context) async throws -> AuthenticatedUser? {
        guard let session = try await cookies.session(of: request) else { return nil }
        return AuthenticatedUser(
            id: session.user.id, authenticatedAt: session.signedInAt, session: session.id)
    }

    public func signIn(
        _ need: SignInRequest, for request: Request, context: Context
    ) async throws -> Response {
        try await begin(need, for: request)
    }

    /// Shows the form for the password, or sends the browser to the front.
    private func begin(
        _ need: SignInRequest, for request: Request, _ id: RequestID = RequestID()
    ) async throws -> Response {
        guard hasFront else { return try page(need, for: request, id) }
        let known = cookies.browser(of: request)
        let browser = known ?? BrowserCookies.newBrowser()
        let last = try await cookies.session(of: request)?.signedInAt.secondsSince1970
        let form = FrontForm(browser: browser, returnTo: need.returnTo, lastSignIn: last)
        return pages.seeOther(
            pages.link(PagePaths.front) + "?" + (try form.sealed(by: vault)), to: request, id,
            headers: known == nil ? [.setCookie: cookies.setting(browser: browser)] : [:])
    }
}

/// `/sign-in`: name and password.
extension SignInPages {
    /// For a user who came by itself; the page of an authorization request is shown where that was asked.
    private func get(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            try await begin(SignInRequest(returnTo: pages.link(PagePaths.consents)), for: request, id)
        }
    }

    private func post(_ request: Request, _ context: Context) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(SignInForm.self, by: vault) else { throw Refusal.unknownForm }
            // Phones put a space behind what they complete, and no user name ends with one.
            let name = posted.text("user")?.trimmingCharacters(in: .whitespacesAndNewlines) ?? ""
            let browser = cookies.browser(of: request)
            // Without this, another site could sign the browser in as someone of its choice (RFC 6749 section 10.12).
            guard browser == form.browser else {
                // Of pages that opened together the last named the browser, and the user may have signed in there.
                if let session = try await cookies.session(of: request),
                    UserName.folded(session.user.name) == UserName.folded(name)
                {
                    return pages.seeOther(form.need.returnTo, to: request, id)
                }
                return try page(
                    form.need, browser == nil ? .noCookie : .replaced, user: name, for: request, id)
            }
            guard let password = posted.secret("password"), !name.isEmpty else {
                return try page(form.need, .incomplete, user: name, for: request, id)
            }
            let user: User
            switch try await check(
                name, password, from: PeerAddress.of(request, context, configuration, issuer)(), id)
            {
            case .success(let known): user = known
            case .failure(let trouble):
                return try page(form.need, trouble, user: name, for: request, id)
            }
            // A new session each time: anyone who knew the old one gains nothing by this sign-in.
            if let old = cookies.sessionCookie(of: request) { try await vault.endSession(old) }
            let session = try await vault.startSession(
                user: user.id, signedInAt: vault.clock.now(), lifetime: lifetime)
            return pages.seeOther(
                form.need.returnTo, to: request, id, headers: [.setCookie: cookies.setting(session: session)])
        }
    }

    /// The user, or the reason for no user.
    private func check(
        _ name: String, _ password: SecretBytes, from peer: PeerAddress, _ id: RequestID
    ) async throws -> Result<User, Trouble> {
        do {
            switch try await vault.users.check(
                password, of: name, from: peer, through: .http, requestID: id.description)
            {
            case .right(let user): return .success(user)
            case .wrong: return .failure(.wrong)
            case .throttled(let wait): return .failure(.throttled(wait))
            }
        } catch let error as VaultError where error.code == .busy { return .failure(.busy) }
    }

    private func page(
        _ need: SignInRequest, _ trouble: Trouble? = nil, user: String? = nil, for request: Request,
        _ id: RequestID = RequestID()
    ) throws -> Response {
        let known = cookies.browser(of: request)
        let browser = known ?? BrowserCookies.newBrowser()
        let name = user ?? need.loginHint ?? ""
        var values: [String: Any] = [
            "title": "Sign in", "action": pages.link(PagePaths.signIn), "user": name,
            "knowsUser": !name.isEmpty,
            "form": try SignInForm(browser: browser, need: need).sealed(by: vault),
        ]
        if let client = need.clientName { values["client"] = client.displayed }
        if let trouble {
            values["trouble"] = trouble.text
            // Which of the two fields is wrong is not told.
            values["isWrong"] = trouble.isInput
        }
        var headers: HTTPFields = [:]
        if known == nil { headers[.setCookie] = cookies.setting(browser: browser) }
        if let seconds = trouble?.retryAfter { headers[.retryAfter] = String(seconds) }
        return pages.page(
            .signIn, values, status: trouble?.status ?? .ok, leadsToClient: need.clientName != nil,
            to: request,
            id, headers: headers)
    }
}

/// `/sign-out`: asks, and ends the session.
extension SignInPages {
    private func askToSignOut(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            try await question(of: try await cookies.session(of: request), to: request, id)
        }
    }

    /// Asks whether to sign out, or says that this is done.
    private func question(
        of session: SignInSession?, by client: Client? = nil, then destination: String? = nil,
        to request: Request, _ id: RequestID
    ) async throws -> Response {
        var values: [String: Any] = [
            "action": pages.link(PagePaths.signOut), "signIn": pages.link(PagePaths.signIn),
            "consents": pages.link(PagePaths.consents), "title": "You are signed out",
        ]
        if let session {
            values["title"] = "Sign out?"
            values["user"] = try await vault.users.displayName(of: session.user).displayed
            values["form"] = try SignOutForm(session: session.id, returnTo: destination).sealed(by: vault)
            if let client { values["client"] = client.certainName }
        }
        return pages.page(.signOut, values, leadsToClient: destination != nil, to: request, id)
    }

    private func signOut(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(SignOutForm.self, by: vault) else { throw Refusal.unknownForm }
            // With a form from another site the browser sends no cookie, and would still let the answer take it away.
            guard let session = try await cookies.session(of: request), session.id == form.session,
                let cookie = cookies.sessionCookie(of: request)
            else { return pages.seeOther(pages.link(PagePaths.signOut), to: request, id) }
            try await vault.endSession(cookie)
            return pages.seeOther(
                form.returnTo ?? pages.link(PagePaths.signOut), to: request, id,
                headers: [.setCookie: cookies.endingSession])
        }
    }
}

/// `/oauth2/logout`: a client signs its user out (OpenID Connect RP-Initiated Logout 1.0).
extension SignInPages {
    private static var resuming: String { "continue=" }

    /// Without an id_token of the user who is signed in here the user is asked: any page may lead a browser here.
    private func endSession(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            var query = Array((request.uri.query ?? "").utf8)
            if query.starts(with: Self.resuming.utf8) {
                let sealed = SecretBytes(Array(query.dropFirst(Self.resuming.utf8.count)))
                guard let form = EndSessionForm(opening: sealed, by: vault) else { throw Refusal.unknownForm }
                query = Array(form.query.utf8)
            }
            let asked = try await issuer.clientSignOut(query)
            let session = try await cookies.session(of: request)
            if let session, !asked.isProved(for: session.user.id, in: vault) {
                return try await question(
                    of: session, by: asked.client, then: asked.destination, to: request, id)
            }
            var headers: HTTPFields = [:]
            if session != nil, let cookie = cookies.sessionCookie(of: request) {
                try await vault.endSession(cookie)
                headers[.setCookie] = cookies.endingSession
            }
            // A stranger's link must not lead on by way of this server.
            let destination = asked.subject == nil ? nil : asked.destination
            return pages.seeOther(
                destination ?? pages.link(PagePaths.signOut), to: request, id, headers: headers)
        }
    }

    /// Sends the browser back with GET: a cookie with `SameSite=Lax` does not come with a form from another site.
    private func postEndSession(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            let query = String(decoding: try await body.read(request), as: UTF8.self)
            _ = try await issuer.clientSignOut(Array(query.utf8))
            let sealed = try EndSessionForm(query: query).sealed(by: vault)
            return pages.seeOther(
                pages.link(PagePaths.endSession) + "?" + Self.resuming + sealed, to: request, id)
        }
    }
}

/// What a client posted, on its way through the browser: the id_token in it is in no URL.
private struct EndSessionForm: PageForm {
    static let purpose = "end-session"
    let query: String
}

/// Why a sign-in did not work, as the user reads it.
private struct Trouble: Error {
    let text: String
    let status: HTTPResponse.Status
    var retryAfter: Int?
    /// Whether something else has to be entered.
    var isInput: Bool { status == .badRequest || status == .forbidden }

    static let incomplete = Trouble(text: "Enter your user name and your password.", status: .badRequest)
    /// One text for every cause: it must not tell which users exist.
    static let wrong = Trouble(text: "The user name or the password is not right.", status: .forbidden)
    static let busy = Trouble(
        text: "Many people are signing in at this moment. Try again in a few seconds.",
        status: .serviceUnavailable, retryAfter: 2)

    static let replaced = Trouble(
        text: "Another sign-in page was opened after this one. Enter your password again.", status: .conflict)
    static let noCookie = Trouble(
        text: "Signing in needs a cookie. Allow cookies for this site and try again.", status: .conflict)

    static func throttled(_ wait: Duration) -> Trouble {
        let seconds = max(1, Int(wait.components.seconds) + (wait.components.attoseconds > 0 ? 1 : 0))
        return Trouble(
            text:
                "There were too many attempts. Try again in \(seconds) \(seconds == 1 ? "second" : "seconds").",
            status: .tooManyRequests, retryAfter: seconds)
    }
}

/// What the sign-in form brings back: the browser it was shown in, and where to go on.
private struct SignInForm: PageForm {
    static let purpose = "sign-in"
    let browser: String
    let need: SignInRequest
}

/// Which session to end, and where to go then.
private struct SignOutForm: PageForm {
    static let purpose = "sign-out"
    let session: String
    let returnTo: String?
}
