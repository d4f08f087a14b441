import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// The token endpoint for clients of a time when its parameters travelled in the query string: by GET, or
/// half of them beside the body of a POST. Only where ``TokenIssuer/IssuerProfile/acceptsLegacyGet`` says so.
struct LegacyTokenRoute: Sendable {
    private let issuer: TokenIssuer
    private let body: FormBody
    private let limits: RequestLimits

    init(_ issuer: TokenIssuer, _ limits: RequestLimits) {
        self.issuer = issuer
        self.limits = limits
        body = FormBody(limits)
    }

    func respond(to request: Request, from address: @escaping @Sendable () -> String?) async -> Response {
        let id = RequestID()
        do throws(FormBody.Failure) {
            let query = Array((request.uri.query ?? "").utf8)
            guard query.count <= limits.bodyBytes else {
                throw FormBody.Failure(refusal: Refusal.tooLarge, closesConnection: false)
            }
            // Together, so that a parameter in both is one that comes twice.
            var form = query
            if request.method == .post {
                let posted = try await body.read(request)
                if !posted.isEmpty { form += (form.isEmpty ? [] : [UInt8(ascii: "&")]) + posted }
            }
            do throws(OAuthError) {
                var token = try TokenRequest(
                    form: form, authorization: request.headers[values: .authorization],
                    profile: issuer.profile, requestID: id.description, address: address())
                token.isLegacyGet = !query.isEmpty || request.method == .get
                let answer = try await issuer.token(token)
                return answer.body.withExposed { Response(json: $0, to: request, id: id) }
            } catch {
                return Response(error, to: request, id: id)
            }
        } catch {
            return Response(
                error.refusal, to: request, id: id,
                headers: error.closesConnection ? [.connection: "close"] : [:])
        }
    }
}
