import HTTPTypes
import Hummingbird
import NIOCore
import TokenIssuer

extension Response {
    /// RFC 6749 section 5.1: "The authorization server MUST include the HTTP "Cache-Control" response header field
    /// with a value of "no-store" in any response containing tokens, credentials, or other sensitive information, as
    /// well as the "Pragma" response header field with a value of "no-cache"." We do so in every response.
    private static let fields: HTTPFields = [
        .contentType: "application/json", .cacheControl: "no-store", .pragma: "no-cache",
    ]

    /// A JSON object; its head alone for HEAD.
    init(
        json body: [UInt8], status: HTTPResponse.Status = .ok, to request: Request,
        id: RequestID = RequestID(),
        headers: HTTPFields = [:]
    ) {
        var fields = Self.fields
        // Appended: setting a field looks for others of its name first.
        fields.append(HTTPField(name: .requestID, value: id.description))
        for field in headers { fields.append(field) }
        if request.method == .head {
            fields[.contentLength] = String(body.count)
            self.init(status: status, headers: fields)
        } else {
            self.init(
                status: status, headers: fields, body: ResponseBody(byteBuffer: ByteBuffer(bytes: body)))
        }
    }

    init(
        _ error: OAuthError, to request: Request, id: RequestID = RequestID(), headers: HTTPFields = [:]
    ) {
        var headers = headers
        if error.challengesBasic { headers[.wwwAuthenticate] = #"Basic realm="tokenvault", charset="UTF-8""# }
        if let seconds = error.retryAfter { headers[.retryAfter] = String(seconds) }
        if RequestMetrics.isCounting { headers[.errorCode] = error.code.rawValue }
        self.init(
            json: error.body, status: HTTPResponse.Status(code: error.status), to: request, id: id,
            headers: headers)
    }

    /// Says what was thrown: a refusal as it is, of anything else only that the server failed.
    init(failure error: any Error, to request: Request, id: RequestID, headers: HTTPFields = [:]) {
        var headers = headers
        let failure = error as? FormBody.Failure
        if failure?.closesConnection == true { headers[.connection] = "close" }
        self.init(
            failure?.refusal ?? error as? OAuthError ?? Refusal.failure, to: request, id: id, headers: headers
        )
    }
}

extension HTTPFields {
    /// The value of a field that comes once; nil also where it comes more often. The subscript joins all
    /// values, which costs more and can mean something that none of them said.
    func only(_ name: HTTPField.Name) -> String? {
        var value: String?
        for field in self where field.name == name {
            guard value == nil else { return nil }
            value = field.value
        }
        return value
    }
}

/// Refusals that belong to HTTP alone, in the same form as those of OAuth.
enum Refusal {
    static func method(_ allowed: String) -> OAuthError {
        OAuthError(.invalidRequest, status: 405, "This address takes \(allowed) only.")
    }

    static let mediaType = OAuthError(
        .invalidRequest, "The body must be a form: Content-Type application/x-www-form-urlencoded, in UTF-8.")

    static let jsonMediaType = OAuthError(
        .invalidClientMetadata, "The body must be JSON: Content-Type application/json, in UTF-8.")

    static let host = OAuthError(.invalidRequest, "The request has no Host header, or more than one.")

    static let tooLarge = OAuthError(
        .invalidRequest, status: 413, "The body is larger than this server reads.")

    static let tooSlow = OAuthError(.invalidRequest, status: 408, "The body did not arrive in time.")

    static let truncated = OAuthError(.invalidRequest, "The body ended before its declared length.")

    static let notFound = OAuthError(.invalidRequest, status: 404, "There is nothing at this address.")

    static let failure = OAuthError(
        .serverError, status: 500, "The server failed; it has told its operator why.")

    // What can be wrong with a form of ours.

    static let unknownForm = OAuthError(
        .invalidRequest, "This page is not valid any more. Go back to the application and begin again.")

    static let foreignSite = OAuthError(
        .invalidRequest, status: 403,
        "This form was sent from another site. Go back to the application and begin again.")

    static let malformedForm = OAuthError(.invalidRequest, "The form cannot be read.")
}

/// Names a request in the response, the access log and the audit log: 16 hexadecimal digits, drawn at random.
struct RequestID: CustomStringConvertible {
    let description: String

    init() {
        let digits = String(UInt64.random(in: .min ... .max), radix: 16)
        description = String(repeating: "0", count: 16 - digits.utf8.count) + digits
    }
}

extension HTTPField.Name {
    /// `X-Request-Id`.
    static let requestID = field("X-Request-Id")
    /// `Pragma`, for caches of HTTP/1.0 (RFC 6749 section 5.1).
    static let pragma = field("Pragma")

    /// The error code of a response on its way to ``ServerMiddleware``, which takes it off.
    static let errorCode = field("TokenVault-Error-Code")

    static func field(_ name: String) -> HTTPField.Name {
        guard let name = HTTPField.Name(name) else { preconditionFailure("\(name) is no field name") }
        return name
    }
}
