import VaultCore

/// A scope from the command line, or from a file of JSON: any white space separates its names.
enum ScopeArgument {
    /// Its names with single spaces between, each once.
    static func tidy(_ text: String) -> String {
        var seen: Set<Substring> = []
        return text.split(whereSeparator: \.isWhitespace).filter { seen.insert($0).inserted }
            .joined(separator: " ")
    }

    /// What is probably not meant.
    static func notes(_ scope: ScopeSet) -> [String] {
        if scope.names.isEmpty {
            return ["The client may request no scope yet: give it one with 'client set'."]
        }
        return scope.text.contains(",") ? ["A comma is part of a name: separate names by spaces."] : []
    }

    /// - Throws: `VaultError.Code.invalidInput` for a name that the issuer's own clients cannot have.
    static func scope(_ text: String) throws -> ScopeSet {
        guard let scope = ScopeSet(tidying: text) else {
            throw VaultError(
                .invalidInput,
                "The scope has an invalid character (RFC 6749 section 3.3), "
                    + "or more than \(Limits.scopeBytes) bytes.",
                remedy: "As in: --scope \"basic readmeasurements\"")
        }
        return scope
    }
}
