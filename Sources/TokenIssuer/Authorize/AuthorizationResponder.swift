public import VaultCore

/// Where the answer to an authorization request goes, and how it is written. Exists only for a redirect URI
/// that was found to be the client's own.
package struct AuthorizationResponder: Sendable {
    /// Where in the redirect URI the answer stands (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1).
    package enum Mode: String, Sendable {
        case query
        case fragment
    }

    package let redirectURI: String
    let mode: Mode
    let state: String?
    let issuer: String

    /// RFC 6749 section 4.1.2.1.
    func location(_ error: OAuthError) -> SecretText {
        location([("error", error.code.rawValue), ("error_description", error.description)])
    }

    /// The redirect URI with the answer in it, and with `state` and `iss`. RFC 9207 section 2: "authorization
    /// servers supporting this specification MUST indicate their identity by including the iss parameter in
    /// the response", error responses too.
    func location(_ parameters: [(name: String, value: String)]) -> SecretText {
        var parameters = parameters
        if let state { parameters.append(("state", state)) }
        parameters.append(("iss", issuer))
        let separator =
            switch mode {
            case .fragment: "#"
            case .query where !redirectURI.utf8.contains(UInt8(ascii: "?")): "?"
            case .query: redirectURI.hasSuffix("?") || redirectURI.hasSuffix("&") ? "" : "&"
            }
        return Secret(redirectURI + separator + FormCoding.encode(parameters))
    }
}

/// A URL with a code or a token in it.
public typealias SecretText = Secret<String>
