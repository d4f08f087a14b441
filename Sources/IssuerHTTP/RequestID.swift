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
    static let requestID = HTTPField.Name(parsed: "X-Request-Id") ?? .eTag
    /// `Pragma`, for caches of HTTP/1.0 (RFC 6749 section 5.1).
    static let pragma = HTTPField.Name(parsed: "Pragma") ?? .cacheControl
}
