import Hummingbird
import TokenIssuer
import TokenVault
import VaultCore

/// `/account/consents`: what the user allowed, and taking it back.
extension AuthorizeRoutes {
    func consents(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            guard let user = try await users.user(of: request) else {
                return try await users.signIn(
                    SignInRequest(returnTo: pages.link(PagePaths.consents)), for: request)
            }
            let account = try issuer.vault.user(user.id)
            let rows = try issuer.vault.consents(of: user.id).compactMap { try row($0, user) }
            return pages.page(
                .consents,
                [
                    "title": "What you allowed", "user": account.name.displayed, "consents": rows,
                    "isEmpty": rows.isEmpty,
                    "isDone": request.uri.query == Self.done, "action": pages.link(PagePaths.consents),
                    "signOut": pages.link(PagePaths.signOut),
                ], to: request, id)
        }
    }

    func withdraw(_ request: Request) async -> Response {
        await pages.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(WithdrawalForm.self, by: issuer.vault) else {
                throw Refusal.expired
            }
            let user = try await user(of: request, session: form.session, id: form.user)
            try await issuer.vault.withdrawConsent(
                of: user.id, from: OwnerID(form.client), through: .http, requestID: id.description)
            return pages.seeOther(pages.link(PagePaths.consents) + "?" + Self.done, to: request, id)
        }
    }

    /// Nil for a client that is gone: nothing is left to take back.
    private func row(_ consent: Consent, _ user: AuthenticatedUser) throws -> [String: Any]? {
        let client: Client
        do { client = try issuer.vault.client(consent.client) } catch let error as VaultError
            where error.code == .notFound
        {
            return nil
        }
        let form = WithdrawalForm(
            session: user.session, user: user.id.rawValue, client: consent.client.rawValue)
        return [
            "client": client.registration.name.displayed, "since": consent.grantedAt.date,
            "sinceText": consent.grantedAt.writtenDate,
            "scopes": BundledConsentPage.items(describe(consent.scope)),
            "form": try form.sealed(by: issuer.vault),
        ]
    }

    private static let done = "withdrawn"
}

/// Which consent to take back, and whose, and in which session.
private struct WithdrawalForm: PageForm {
    static let purpose = "withdraw"
    let session: String
    let user: Int64
    let client: Int64
}
