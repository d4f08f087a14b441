import Hummingbird
import TokenIssuer
import VaultCore

/// `POST /consent`: what the user answered.
struct ConsentEndpoint: Sendable {
    private let steps: AuthorizationSteps
    private let body: FormBody

    init(_ steps: AuthorizationSteps, _ body: FormBody) {
        self.steps = steps
        self.body = body
    }

    func post(_ request: Request) async -> Response {
        await steps.answering(request) { id in
            let posted = try await PostedForm(request, body)
            guard let form = posted.form(ConsentForm.self, by: steps.issuer.vault),
                let asked = AuthorizationRequest(
                    resuming: SecretBytes(copying: form.request), issuer: steps.issuer,
                    requestID: id.description)
            else { throw Refusal.expired }
            // The answer counts in the session and from the user it was asked of, and from no other.
            let user = try await steps.users.user(of: request)
            guard let user, user.session == form.session, user.id.rawValue == form.user else {
                throw Refusal.foreignForm
            }
            let decision: ConsentDecision
            switch posted.text("decision") {
            case "allow": decision = .allow(ScopeSet(parsing: form.scope) ?? .empty)
            case "deny": decision = .deny
            default: throw Refusal.noDecision
            }
            return try await steps.next(asked, of: user, decision: decision, for: request, id)
        }
    }
}
