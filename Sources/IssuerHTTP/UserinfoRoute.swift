import HTTPTypes
import Hummingbird
import TokenIssuer
import VaultCore

/// `GET|POST /oauth2/userinfo`: what a client may know of the user (OpenID Connect Core section 5.3).
struct UserinfoRoute: Sendable {
    private static let realm = "tokenvault"
    private let issuer: TokenIssuer
    private let body: FormBody

    init(_ issuer: TokenIssuer, _ limits: RequestLimits) {
        self.issuer = issuer
        body = FormBody(limits)
    }

    func respond(to request: Request) async -> Response {
        let id = RequestID()
        var form: SecretBytes?
        if request.method == .post, request.hasBody {
            do throws(FormBody.Failure) {
                form = try Self.accessToken(in: try await body.read(request))
            } catch {
                return Response(
                    error.refusal, to: request, id: id,
                    headers: error.closesConnection ? [.connection: "close"] : [:])
            }
        }
        do throws(BearerRefusal) {
            let credentials = try BearerCredentials(
                request, queryParameters: issuer.profile.tokenParameters, form: form)
            let accessToken = try issuer.accept(credentials, requiring: ["openid"])
            do throws(OAuthError) {
                return Response(json: try await issuer.userinfo(accessToken), to: request, id: id)
            } catch { throw BearerRefusal(error: error) }
        } catch {
            return error.response(to: request, realm: Self.realm, id: id)
        }
    }

    /// RFC 6750 section 2.2.
    private static func accessToken(in form: [UInt8]) throws(FormBody.Failure) -> SecretBytes? {
        do {
            return try FormCoding.strictPairs(form).first { $0.name == "access_token" }?.value
        } catch {
            throw FormBody.Failure(
                refusal: OAuthError(.invalidRequest, "The body is malformed."), closesConnection: false)
        }
    }
}

extension Request {
    /// Whether the client says that it sent something.
    fileprivate var hasBody: Bool {
        headers.contains(.transferEncoding)
            || headers.contains(.contentLength) && headers.only(.contentLength) != "0"
    }
}
