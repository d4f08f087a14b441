import HTTPTypes
import Hummingbird
import TokenIssuer

/// An endpoint that takes a form from an authenticated client: revocation and introspection.
struct FormRoute: Sendable {
    /// What was sent, and what becomes of it.
    struct Submission: Sendable {
        let form: [UInt8]
        let authorization: [String]
        let id: RequestID
        let address: @Sendable () -> String?
    }

    private let body: FormBody
    private let answer: @Sendable (Submission) async throws -> [UInt8]

    /// - Parameter answer: the JSON object to send; empty: no body. Throws `OAuthError`.
    init(_ limits: RequestLimits, answer: @escaping @Sendable (Submission) async throws -> [UInt8]) {
        body = FormBody(limits)
        self.answer = answer
    }

    func respond(to request: Request, from address: @escaping @Sendable () -> String?) async -> Response {
        let id = RequestID()
        do {
            let submission = Submission(
                form: try await body.read(request), authorization: request.headers[values: .authorization],
                id: id, address: address)
            let json = try await answer(submission)
            guard json.isEmpty else { return Response(json: json, to: request, id: id) }
            return Response(
                status: .ok,
                headers: [
                    .cacheControl: "no-store", .pragma: "no-cache", .contentLength: "0",
                    .requestID: id.description,
                ])
        } catch let failure as FormBody.Failure {
            return Response(
                failure.refusal, to: request, id: id,
                headers: failure.closesConnection ? [.connection: "close"] : [:])
        } catch {
            return Response(error as? OAuthError ?? Refusal.failure, to: request, id: id)
        }
    }

    /// RFC 7009 section 2.
    static func revocation(_ issuer: TokenIssuer, _ limits: RequestLimits) -> FormRoute {
        FormRoute(limits) { submission in
            try await issuer.revoke(
                RevocationRequest(
                    form: submission.form, authorization: submission.authorization, profile: issuer.profile,
                    requestID: submission.id.description, address: submission.address()))
            return []
        }
    }

    /// RFC 7662 section 2.
    static func introspection(_ issuer: TokenIssuer, _ limits: RequestLimits) -> FormRoute {
        FormRoute(limits) { submission in
            try await issuer.introspect(
                IntrospectionRequest(
                    form: submission.form, authorization: submission.authorization, profile: issuer.profile,
                    requestID: submission.id.description, address: submission.address()))
        }
    }
}
