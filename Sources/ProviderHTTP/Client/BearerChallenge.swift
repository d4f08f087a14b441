/// Reads of a 401 whether another token could help.
enum BearerChallenge {
    /// Challenges are short; what is longer is not read.
    private static let maximumBytes = 4096

    /// `error="invalid_token"`, or no error code at all: many APIs send a bare 401 (RFC 6750 section 3.1).
    ///
    /// - Parameter challenges: the values of `WWW-Authenticate`.
    static func asksForAnotherToken(_ challenges: [String]) -> Bool {
        let codes = challenges.filter { $0.utf8.count <= maximumBytes }.flatMap(errorCodes)
        return codes.isEmpty || codes.contains("invalid_token")
    }

    /// The values of every parameter `error`, quoted or not; what stands inside of other quotes is not looked at.
    private static func errorCodes(_ challenge: String) -> [String] {
        // A parameter with its value; another quoted text; a word, whole, so that no text costs more than its length.
        challenge.matches(
            of: /([^\s,="]++) *= *(?:"((?:\\.|[^"\\])*)"?|([^\s,"=]*))|"(?:\\.|[^"\\])*"?|[^\s,="]++/
        ).compactMap {
            guard $0.1?.lowercased() == "error" else { return nil }
            return ($0.2 ?? $0.3).map { String($0.replacing(/\\(.)/) { $0.1 }) }
        }
    }
}
