import HTTPTypes
import Hummingbird
import TokenIssuer

/// An endpoint that takes a form from a client (RFC 6749 section 3.2, RFC 7009 section 2, RFC 7662 section 2).
struct FormRoute: Sendable {
    /// A form that was read.
    struct Submission: Sendable {
        let request: Request
        let form: [UInt8]
        /// Something of it stood in the query string.
        let isInQuery: Bool
        let id: RequestID
        let address: @Sendable () -> String?

        var authorization: [String] { request.headers[values: .authorization] }

        func presentedToken(_ profile: IssuerProfile) throws(OAuthError) -> PresentedToken {
            try PresentedToken(
                form: form, authorization: authorization, profile: profile, requestID: id.description,
                address: address())
        }
    }

    private let limits: RequestLimits
    private let takesQuery: Bool
    private let answer: @Sendable (Submission) async throws -> Response

    /// - Parameters:
    ///   - takesQuery: for clients of a time when parameters travelled in the query string, by GET or beside a body.
    ///     Otherwise it is not looked at: RFC 6749 section 2.3.1 forbids client credentials there.
    ///   - answer: throws `OAuthError`.
    init(
        _ limits: RequestLimits, takesQuery: Bool = false,
        answer: @escaping @Sendable (Submission) async throws -> Response
    ) {
        self.limits = limits
        self.takesQuery = takesQuery
        self.answer = answer
    }

    func respond(to request: Request, from address: @escaping @Sendable () -> String?) async -> Response {
        let id = RequestID()
        do {
            let query = takesQuery ? Array((request.uri.query ?? "").utf8) : []
            guard query.count <= limits.bodyBytes else {
                throw FormBody.Failure(refusal: Refusal.tooLarge, closesConnection: false)
            }
            let isPosted = request.method == .post
            let posted = isPosted ? try await FormBody(limits).read(request) : []
            // Together, so that a parameter in both is one that comes twice.
            let form = query.isEmpty ? posted : query + (posted.isEmpty ? [] : [UInt8(ascii: "&")]) + posted
            return try await answer(
                Submission(
                    request: request, form: form, isInQuery: !query.isEmpty || !isPosted, id: id,
                    address: address))
        } catch {
            return Response(failure: error, to: request, id: id)
        }
    }
}
