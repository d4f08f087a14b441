import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// `POST /oauth2/token`: from octets to a token request and back (RFC 6749 section 3.2).
struct TokenRoute: Sendable {
    private let issuer: TokenIssuer
    private let body: FormBody

    init(_ issuer: TokenIssuer, _ limits: RequestLimits) {
        self.issuer = issuer
        body = FormBody(limits)
    }

    /// The query string is not looked at: RFC 6749 section 2.3.1 forbids client credentials there.
    func respond(to request: Request, from address: @escaping @Sendable () -> String?) async -> Response {
        let id = RequestID()
        do throws(FormBody.Failure) {
            let form = try await body.read(request)
            do throws(OAuthError) {
                let answer = try await issuer.token(
                    TokenRequest(
                        form: form, authorization: request.headers[values: .authorization],
                        profile: issuer.profile,
                        requestID: id.description, address: address()))
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
