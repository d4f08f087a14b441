import HTTPTypes
import Hummingbird
import TokenIssuer

/// Why a request to a protected resource is refused, as RFC 6750 section 3 says it.
struct BearerRefusal: Error {
    let error: OAuthError
    // Section 3.1: "If the request lacks any authentication information […], the resource server SHOULD NOT include an
    // error code or other error information."
    var isSilent = false
    /// What would have been enough.
    var scope: [String] = []

    static let absent = BearerRefusal(
        error: OAuthError(.invalidRequest, status: 401, ""), isSilent: true)

    static let invalidToken = BearerRefusal(
        error: OAuthError(
            .invalidToken, status: 401, "The access token is not valid: unknown, expired or revoked."))

    static let twice = BearerRefusal(
        error: OAuthError(.invalidRequest, "The request carries its access token in more than one way."))

    static let malformed = BearerRefusal(
        error: OAuthError(.invalidRequest, "The request's access token is malformed."))

    static func insufficient(_ scope: [String]) -> BearerRefusal {
        BearerRefusal(
            error: OAuthError(.insufficientScope, status: 403, "The access token is for less than this."),
            scope: scope)
    }

    func response(to request: Request, realm: String, id: RequestID = RequestID()) -> Response {
        var headers: HTTPFields = [:]
        if (400..<404).contains(error.status) { headers[.wwwAuthenticate] = challenge(realm) }
        guard isSilent else { return Response(error, to: request, id: id, headers: headers) }
        headers[.cacheControl] = "no-store"
        headers[.requestID] = id.description
        return Response(status: HTTPResponse.Status(code: error.status), headers: headers)
    }

    private func challenge(_ realm: String) -> String {
        var challenge = "Bearer realm=\"\(realm)\""
        guard !isSilent else { return challenge }
        challenge += ", error=\"\(error.code.rawValue)\", error_description=\"\(error.description)\""
        if !scope.isEmpty { challenge += ", scope=\"\(scope.joined(separator: " "))\"" }
        return challenge
    }
}
