import Foundation
import TokenVault
public import VaultCore

/// A successful answer of the token endpoint (RFC 6749 section 5.1), as the octets of its JSON object.
public struct TokenResponse: Sendable {
    /// The JSON object: it holds tokens, so it is kept like one.
    public let body: SecretBytes

    /// Tokens are base64url and scope names have neither quotes nor backslashes (RFC 6749 section 3.3): nothing needs
    /// escaping.
    init(_ tokens: IssuedTokens, idToken: SecretBytes? = nil, _ profile: IssuerProfile) {
        var json = JSONObject()
        json.add("access_token", tokens.pair.accessToken)
        json.add("token_type", text: "Bearer")
        json.add("expires_in", number: tokens.expiresIn)
        if let refreshToken = tokens.pair.refreshToken { json.add("refresh_token", refreshToken) }
        if let idToken { json.add("id_token", idToken) }
        if !tokens.scope.isEmpty { json.add("scope", text: tokens.scope.text) }
        if profile.repeatsInCamelCase {
            json.add("accessToken", tokens.pair.accessToken)
            if let refreshToken = tokens.pair.refreshToken { json.add("refreshToken", refreshToken) }
            json.add("expires", text: tokens.expiresAt.dateAndTime)
        }
        body = SecretBytes(json.finish())
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
