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
        var codes: [String] = []
        var rest = challenge[...]
        var name: Substring = ""
        while let first = rest.first {
            switch first {
            case "\"":
                rest.removeFirst()
                let value = quoted(&rest)
                if name.lowercased() == "error" { codes.append(value) }
                name = ""
            case "=":
                rest.removeFirst()
                rest = rest.drop { $0 == " " }
                guard rest.first != "\"" else { continue }
                let value = word(&rest)
                if name.lowercased() == "error" { codes.append(String(value)) }
                name = ""
            case " ":
                // Spaces may stand around the sign.
                rest = rest.drop { $0 == " " }
                if rest.first != "=" { name = "" }
            case ",":
                rest.removeFirst()
                name = ""
            default:
                name = word(&rest)
            }
        }
        return codes
    }

    private static func word(_ rest: inout Substring) -> Substring {
        let word = rest.prefix { !" ,=\"".contains($0) }
        rest = rest[word.endIndex...]
        return word
    }

    /// After the first quote, to past the last.
    private static func quoted(_ rest: inout Substring) -> String {
        var value = ""
        while let next = rest.popFirst(), next != "\"" {
            if next == "\\", let escaped = rest.popFirst() {
                value.append(escaped)
            } else {
                value.append(next)
            }
        }
        return value
    }
}
