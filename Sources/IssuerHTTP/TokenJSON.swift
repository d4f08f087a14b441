import Foundation
import TokenIssuer
import VaultCore

// What the issuer's calls return, written as JSON objects.

extension TokenResponse {
    /// The JSON object of RFC 6749 section 5.1. Tokens are base64url and scope names have neither quotes nor backslashes
    /// (section 3.3): nothing needs escaping.
    ///
    /// - Parameter repeats: the members once more in camel case, with the time of expiry as a date.
    func json(inCamelCaseToo repeats: Bool) -> [UInt8] {
        var json = JSONObject()
        json.add("access_token", accessToken)
        json.add("token_type", text: "Bearer")
        json.add("expires_in", number: expiresIn)
        if let refreshToken { json.add("refresh_token", refreshToken) }
        if let refreshTokenExpiresIn { json.add("refresh_token_expires_in", number: refreshTokenExpiresIn) }
        if let idToken { json.add("id_token", idToken) }
        if !scope.isEmpty { json.add("scope", text: scope.text) }
        if repeats {
            json.add("accessToken", accessToken)
            if let refreshToken { json.add("refreshToken", refreshToken) }
            json.add("expires", text: expiresAt.dateAndTime)
        }
        return json.finish()
    }
}

/// Writes a flat JSON object of values that need no escaping.
private struct JSONObject {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    init() { bytes.reserveCapacity(512) }

    mutating func add(_ name: StaticString, _ secret: SecretBytes) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        secret.withExposed { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ name: StaticString, text: String) {
        begin(name)
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: text.utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    mutating func add(_ name: StaticString, number: Int64) {
        begin(name)
        bytes.append(contentsOf: String(number).utf8)
    }

    mutating func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func begin(_ name: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }
}

extension VaultInstant {
    /// `YYYY-MM-DD HH:MM:SS`, UTC: how the QuantiModo API spells the time of expiry.
    fileprivate var dateAndTime: String {
        var seconds = time_t(secondsSince1970)
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
        let date = "\(1900 + parts.tm_year)-\(two(parts.tm_mon + 1))-\(two(parts.tm_mday))"
        return date + " \(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
    }
}

/// The members of RFC 7662 section 2.2; absent ones are left out, and of a token that is not active there are no others.
struct IntrospectionMembers: Encodable {
    private let active: Bool
    private let scope: String?
    private let clientID: String?
    private let tokenType: String?
    private let exp: Int64?
    private let iat: Int64?
    private let sub: String?
    private let aud: String?
    private let iss: String?

    init(_ token: IntrospectedToken?, _ issuer: TokenIssuer) {
        active = token != nil
        scope = token.flatMap { $0.scope.isEmpty ? nil : $0.scope.text }
        clientID = token?.clientID
        tokenType = token?.isAccessToken == true ? "Bearer" : nil
        exp = token?.expiresAt.secondsSince1970
        iat = token?.issuedAt.secondsSince1970
        sub = token?.subject
        aud = token?.audience
        iss = token == nil ? nil : issuer.issuer
    }

    private enum CodingKeys: String, CodingKey {
        case active, scope, exp, iat, sub, aud, iss
        case clientID = "client_id"
        case tokenType = "token_type"
    }
}

extension Encodable {
    /// The octets of a JSON document, the same for the same value.
    func json() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self))
    }
}

extension OAuthError {
    /// The JSON object of RFC 6749 section 5.2.
    var body: [UInt8] {
        Array(#"{"error":"\#(code.rawValue)","error_description":"\#(description)"}"#.utf8)
    }
}
