/// What the authorization endpoint hands out (RFC 6749 section 3.1.1, OAuth 2.0 Multiple Response Types section 5).
public enum ResponseType: String, Codable, Sendable, CaseIterable {
    case code
    /// Implicit: an access token in the fragment. Off unless the client is registered for it.
    case token
    case idToken = "id_token"
    case idTokenToken = "id_token token"

    /// The order of the words does not matter, and one that repeats counts once: `token id_token` is `id_token token`.
    public init?(words text: String) {
        let words = Set(text.split(separator: " ", omittingEmptySubsequences: false)).sorted()
        self.init(rawValue: words.joined(separator: " "))
    }
}
