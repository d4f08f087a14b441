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
