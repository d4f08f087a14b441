import HTTPTypes
public import Hummingbird
public import TokenIssuer
import TokenVault
import VaultCore

/// The authorization endpoint, the consent page, and a page on which users withdraw consents.
///
/// ```swift
/// router.addRoutes(AuthorizeRoutes(issuer, users: SignInPages(issuer)))
/// ```
///
/// With users of your own, pass a ``UserAuthentication`` instead of ``SignInPages``. The issuer must know its URL.
/// Add them to the router itself: where that URL has a path, every address answers with it and without it.
public struct AuthorizeRoutes<Context: RequestContext>: Sendable {
    let issuer: TokenIssuer
    let users: any UserSource<Context>
    let pages: Pages
    let body: FormBody
    private let scopes: ScopeDescriptions
    private let consentPage: any ConsentPage<Context>

    /// - Parameters:
    ///   - users: who is signed in.
    ///   - consentPage: nil: the bundled one.
    ///   - scopes: how the bundled pages explain scopes.
    public init(
        _ issuer: TokenIssuer, users: some UserSource<Context>,
        consentPage: (any ConsentPage<Context>)? = nil,
        scopes: ScopeDescriptions = .standard, configuration: RequestConfiguration = RequestConfiguration()
    ) {
        self.issuer = issuer
        self.users = users
        self.scopes = scopes
        pages = Pages(issuer)
        body = FormBody(configuration)
        self.consentPage = consentPage ?? BundledConsentPage<Context>(pages: pages)
    }

    fileprivate func add(to router: some RouterMethods<Context>) {
        users.addRoutes(to: router)
        let router = IssuerPaths(router, of: issuer)
        for path in issuer.profile.authorizePaths {
            issuer.endpoints.add(.authorization, at: path)
            pages.mount(
                path, on: router,
                [
                    (.get, { await authorize($0, $1) }),
                    (.post, { request, _ in await postAuthorize(request) }),
                ])
        }
        pages.mount(PagePaths.consent, on: router, [(.post, { await decide($0, $1) })])
        pages.mount(
            PagePaths.consents, on: router,
            [
                (.get, { await consents($0, $1) }),
                (.post, { await withdraw($0, $1) }),
            ])
        for asset in [PageAsset.stylesheet, .icon] {
            pages.mount(asset.path, on: router, [(.get, { request, _ in asset.response(to: request) })])
        }
    }

    /// What the names in a scope allow, for the user to read.
    func describe(_ scope: ScopeSet) async throws -> [ScopeDescription] {
        scopes.describe(
            scope.names, declared: try await issuer.vault.scopes.texts(), telling: issuer.claims.names)
    }
}

extension RouterMethods {
    /// Adds the authorization endpoint under every path of the profile, `/consent`, `/account/consents`, what the pages
    /// fetch, and the pages of the users' source. None of them answers other origins (RFC 9700 section 2.6): put no CORS
    /// middleware in front.
    @discardableResult public func addRoutes(_ routes: AuthorizeRoutes<Context>) -> Self {
        routes.add(to: self)
        return self
    }
}

/// `/oauth2/authorize` (RFC 6749 section 3.1) and `/consent`.
extension AuthorizeRoutes {
    /// Begins the query of a request that comes back from a page.
    private static var resuming: String { "continue=" }

    private func authorize(_ request: Request, _ context: Context) async -> Response {
        await pages.answering(request) { id in
            let asked = try read(request.uri.query ?? "", id)
            return try await next(
                asked, of: try await users.user(of: request, context: context),
                for: request, context, id)
        }
    }

    /// Sends the browser back with GET: a cookie with `SameSite=Lax` does not come with a form from another site.
    private func postAuthorize(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            let form = try await body.read(request)
            let asked = try AuthorizationRequest(query: form, issuer: issuer, requestID: id.description)
            return pages.seeOther(try resumption(of: asked), to: request, id)
        }
    }

    /// The user's answer on the consent page. A page from another session, or without an answer, leads to a new one.
    private func decide(_ request: Request, _ context: Context) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(ConsentForm.self, by: issuer.vault),
                let asked = AuthorizationRequest(
                    resuming: SecretBytes(copying: form.request), issuer: issuer, requestID: id.description)
            else { throw Refusal.unknownForm }
            let decision: ConsentDecision? =
                switch posted.text("decision") {
                case "allow": .allow(ScopeSet(parsing: form.scope) ?? .empty)
                case "deny": .deny
                default: nil
                }
            guard let decision,
                let user = try await user(of: request, context, session: form.session, id: form.user)
            else { return pages.seeOther(try resumption(of: asked), to: request, id) }
            return try await next(asked, of: user, decision: decision, for: request, context, id)
        }
    }

    /// A form's answer counts in the session and from the user it was shown to. Nil: the browser has another session by
    /// now, or never had that one.
    func user(
        of request: Request, _ context: Context, session: String, id: Int64
    ) async throws -> AuthenticatedUser? {
        let user = try await users.user(of: request, context: context)
        return user?.session == session && user?.id.rawValue == id ? user : nil
    }

    private func read(_ query: String, _ id: RequestID) throws -> AuthorizationRequest {
        guard query.hasPrefix(Self.resuming) else {
            return try AuthorizationRequest(
                query: Array(query.utf8), issuer: issuer, requestID: id.description)
        }
        let sealed = SecretBytes(copying: query.dropFirst(Self.resuming.count))
        guard
            let asked = AuthorizationRequest(resuming: sealed, issuer: issuer, requestID: id.description)
        else { throw Refusal.unknownForm }
        return asked
    }

    /// From what the issuer decides about a request to what the browser gets.
    private func next(
        _ asked: AuthorizationRequest, of user: AuthenticatedUser?, decision: ConsentDecision? = nil,
        for request: Request, _ context: Context, _ id: RequestID
    ) async throws -> Response {
        switch await issuer.authorize(asked, user: user, decision: decision) {
        case .page(let error): return pages.error(error, to: request, id)
        case .redirect(let location):
            return location.withExposed { pages.seeOther($0, to: request, id) }
        case .post(let answer): return pages.post(answer, to: request, id)
        case .needsSignIn(let pending):
            // The name of a client that registered itself is a stranger's claim: where the answer goes is not.
            let name =
                pending.client.isSelfRegistered
                ? pending.redirectURI.destination : pending.client.registration.name
            let need = SignInRequest(
                returnTo: try resumption(of: asked), clientName: name,
                loginHint: pending.loginHint)
            return try await signIn(need, for: request, context)
        case .needsConsent(let pending, let account):
            guard let user else { throw VaultError(.internalError, "No user can be asked.") }
            let form = ConsentForm(
                session: user.session, user: user.id.rawValue, scope: pending.scope.text,
                request: try asked.sealed(by: issuer).text)
            let question = ConsentQuestion(
                clientName: pending.client.registration.name, clientID: pending.client.clientID,
                userName: try await issuer.vault.users.displayName(of: account),
                scopes: try await describe(pending.scope),
                resource: pending.resource?.text,
                destination: pending.redirectURI.destination,
                isSelfRegistered: pending.client.isSelfRegistered, caution: Self.caution(about: pending),
                action: pages.link(PagePaths.consent), form: try form.sealed(by: issuer.vault))
            return Pages.guarded(
                try await consentPage.response(to: question, for: request, context: context))
        }
    }

    private func signIn(
        _ need: SignInRequest, for request: Request, _ context: Context
    ) async throws -> Response {
        Pages.guarded(try await users.signIn(need, for: request, context: context))
    }

    /// The address at which an authorization request continues after a page.
    private func resumption(of asked: AuthorizationRequest) throws -> String {
        pages.link(PagePaths.authorize) + "?" + Self.resuming
            + FormCoding.encode(try asked.sealed(by: issuer).text)
    }

    private static func caution(about pending: PendingAuthorization) -> String? {
        let advice = "Allow it only if you started this yourself just now."
        if let host = pending.client.documentURL?.host {
            return "This application chose its name itself and says that it is of \(host)"
                + (pending.isClientAssured ? ". " : "; any program on your device can pose as it. ") + advice
        }
        return switch (pending.client.isSelfRegistered, pending.isClientAssured) {
        case (true, true):
            "This application chose its name itself; only the address below is certain. " + advice
        case (true, false):
            "This application chose its name itself, and any program on your device can pose as it. " + advice
        case (false, false): "Any program on your device can pose as this application. " + advice
        case (false, true): nil
        }
    }
}

/// What the consent form brings back: the request, and who was asked, where, and what.
private struct ConsentForm: PageForm {
    static let purpose = "consent"
    let session: String
    let user: Int64
    let scope: String
    let request: String
}

/// `/account/consents`: what the user allowed, and taking it back.
extension AuthorizeRoutes {
    func consents(_ request: Request, _ context: Context) async -> Response {
        await pages.answering(request) { id in
            guard let user = try await users.user(of: request, context: context) else {
                return try await signIn(
                    SignInRequest(returnTo: pages.link(PagePaths.consents)), for: request, context)
            }
            let account = try await issuer.vault.users.find(user.id)
            let name = try await issuer.vault.users.displayName(of: account)
            var rows: [[String: Any]] = []
            for consent in try await issuer.vault.account(of: user.id).consents() {
                if let row = try await row(consent, user) { rows.append(row) }
            }
            var values: [String: Any] = [
                "title": "What you allowed", "user": name.displayed, "consents": rows,
                "isEmpty": rows.isEmpty,
                "isDone": request.uri.query == Self.done, "action": pages.link(PagePaths.consents),
            ]
            if let path = users.signOutPath { values["signOut"] = path }
            return pages.page(.consents, values, to: request, id)
        }
    }

    func withdraw(_ request: Request, _ context: Context) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(WithdrawalForm.self, by: issuer.vault) else {
                throw Refusal.unknownForm
            }
            guard let user = try await user(of: request, context, session: form.session, id: form.user)
            else {
                return pages.seeOther(pages.link(PagePaths.consents), to: request, id)
            }
            let account = issuer.vault.account(of: user.id, requestID: id.description)
            do { try await account.withdrawConsent(from: OwnerID(form.client)) } catch let error as VaultError
                where error.code == .notFound
            {
                // Withdrawn already, in another window or by a second click.
            }
            return pages.seeOther(pages.link(PagePaths.consents) + "?" + Self.done, to: request, id)
        }
    }

    /// Nil for a client that is gone: nothing is left to take back.
    private func row(_ consent: Consent, _ user: AuthenticatedUser) async throws -> [String: Any]? {
        let client: Client
        do { client = try await issuer.vault.clients.find(consent.client) } catch let error as VaultError
            where error.code == .notFound
        {
            return nil
        }
        let form = WithdrawalForm(
            session: user.session, user: user.id.rawValue, client: consent.client.rawValue)
        // A self-chosen name may be that of any application: the title is what is certain.
        let chosen = client.isSelfRegistered ? ["chosenName": client.registration.name.displayed] : [:]
        return [
            "client": client.certainName, "since": consent.grantedAt.date,
            "sinceText": consent.grantedAt.writtenDate,
            "scopes": try await describe(consent.scope).map(\.item),
            "form": try form.sealed(by: issuer.vault),
        ].merging(chosen) { $1 }
    }

    private static var done: String { "withdrawn" }
}

/// Which consent to take back, and whose, and in which session.
private struct WithdrawalForm: PageForm {
    static let purpose = "withdraw"
    let session: String
    let user: Int64
    let client: Int64
}
