import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// `GET` and `POST /oauth2/authorize` (RFC 6749 section 3.1).
struct AuthorizeEndpoint: Sendable {
    /// Begins the query of a request that comes back from a page.
    static let resuming = "continue="

    private let steps: AuthorizationSteps
    private let body: FormBody

    init(_ steps: AuthorizationSteps, _ body: FormBody) {
        self.steps = steps
        self.body = body
    }

    func get(_ request: Request) async -> Response {
        await steps.answering(request) { id in
            let query = request.uri.query ?? ""
            let asked = try read(query, id)
            return try await steps.next(asked, of: try await steps.users.user(of: request), for: request, id)
        }
    }

    /// Sends the browser back with GET: a cookie with `SameSite=Lax` does not come with a form from another site.
    func post(_ request: Request) async -> Response {
        await steps.answering(request) { id in
            let form = try await body.read(request)
            let asked = try AuthorizationRequest(
                query: form, issuer: steps.issuer, requestID: id.description)
            return steps.pages.seeOther(try steps.resumption(of: asked), to: request, id)
        }
    }

    private func read(_ query: String, _ id: RequestID) throws -> AuthorizationRequest {
        guard query.hasPrefix(Self.resuming) else {
            return try AuthorizationRequest(
                query: Array(query.utf8), issuer: steps.issuer, requestID: id.description)
        }
        let sealed = SecretBytes(copying: query.dropFirst(Self.resuming.count))
        guard
            let asked = AuthorizationRequest(
                resuming: sealed, issuer: steps.issuer, requestID: id.description)
        else { throw Refusal.expired }
        return asked
    }
}
