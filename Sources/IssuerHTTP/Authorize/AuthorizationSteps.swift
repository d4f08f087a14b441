import HTTPTypes
import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore

/// From what the issuer decides about an authorization request to what the browser gets.
struct AuthorizationSteps: Sendable {
    let issuer: TokenIssuer
    let users: any UserSource
    let pages: Pages
    private let scopes: ScopeDescriptions
    private let consentPage: any ConsentPage

    init(
        _ issuer: TokenIssuer, _ users: any UserSource, _ consentPage: any ConsentPage,
        _ scopes: ScopeDescriptions, _ pages: Pages
    ) {
        self.issuer = issuer
        self.users = users
        self.consentPage = consentPage
        self.scopes = scopes
        self.pages = pages
    }

    func next(
        _ asked: AuthorizationRequest, of user: AuthenticatedUser?, decision: ConsentDecision? = nil,
        for request: Request, _ id: RequestID
    ) async throws -> Response {
        switch await issuer.authorize(asked, user: user, decision: decision) {
        case .page(let error): return pages.error(error, to: request, id)
        case .redirect(let location):
            return location.withExposed { pages.seeOther($0, to: request, id) }
        case .needsSignIn(let pending):
            let need = SignInRequest(
                returnTo: try resumption(of: asked), clientName: pending.client.registration.name,
                loginHint: pending.loginHint)
            return try await users.signIn(need, for: request)
        case .needsConsent(let pending, let account):
            guard let user else { throw VaultError(.internalError, "Nobody can be asked.") }
            let form = ConsentForm(
                session: user.session, user: user.id.rawValue, scope: pending.scope.text,
                request: try asked.sealed(by: issuer).text)
            return try await consentPage.response(
                to: ConsentQuestion(
                    clientName: pending.client.registration.name, clientID: pending.client.clientID,
                    userName: account.name, scopes: describe(pending.scope),
                    destination: Destination(pending.redirectURI).description,
                    action: pages.link(PagePaths.consent), form: try form.sealed(by: issuer.vault)),
                for: request)
        }
    }

    /// What the names in a scope allow, for the user to read.
    func describe(_ scope: ScopeSet) -> [ScopeDescription] {
        scopes.describe(scope.names, telling: issuer.claims.names)
    }

    /// Where an authorization request goes on after a page.
    func resumption(of asked: AuthorizationRequest) throws -> String {
        pages.link(PagePaths.authorize) + "?" + AuthorizeEndpoint.resuming
            + FormCoding.encode(try asked.sealed(by: issuer).text)
    }

    /// Turns what was thrown into a page.
    func answering(
        _ request: Request, _ body: (RequestID) async throws -> Response
    ) async -> Response { await pages.answering(request, body) }
}

/// What the consent form brings back: the request, and who was asked, where, and what.
struct ConsentForm: PageForm {
    static let purpose = "consent"
    let session: String
    let user: Int64
    let scope: String
    let request: String
}

extension SecretBytes {
    /// For a sealed value on its way into a page or a URL.
    var text: String { withExposed { String(decoding: $0, as: UTF8.self) } }
}
