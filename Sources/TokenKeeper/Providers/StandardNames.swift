/// Names of the standards that an entry may rename, or must leave alone.
enum StandardNames {
    static let parameters: Set<String> = [
        "access_token", "client_id", "client_secret", "code", "code_challenge", "code_challenge_method",
        "code_verifier", "device_code", "grant_type", "nonce", "redirect_uri", "refresh_token",
        "response_type", "scope", "token", "token_type_hint",
    ]
    static let grantTypes: Set<String> = [
        "access_token", "authorization_code", "client_credentials", "refresh_token",
        "urn:ietf:params:oauth:grant-type:device_code",
    ]
    /// Secret, or different every time: never a constant of an entry.
    static let secrets: Set<String> = [
        "access_token", "client_secret", "code", "code_verifier", "device_code", "refresh_token", "token",
    ]
    /// What ties a callback to the browser that began: not the entry's to set.
    static let ofConsent: Set<String> = secrets.union([
        "client_id", "code_challenge", "code_challenge_method", "nonce", "redirect_uri", "state",
    ])
    /// Headers that belong to the client or the connection.
    static let headers: Set<String> = [
        "authorization", "connection", "content-length", "cookie", "host", "te", "transfer-encoding",
        "upgrade",
    ]

    /// RFC 9110 section 5.6.2 `token`: names of headers and of schemes.
    static func isToken(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count)
            && text.utf8.allSatisfy { (0x21...0x7E).contains($0) && !#""(),/:;<=>?@[\]{}"#.utf8.contains($0) }
    }

    /// A parameter of a form: printable, without spaces.
    static func isParameter(_ text: String) -> Bool {
        (1...128).contains(text.utf8.count) && text.utf8.allSatisfy { (0x21...0x7E).contains($0) }
    }
}
