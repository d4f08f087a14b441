import HTTPTypes

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
