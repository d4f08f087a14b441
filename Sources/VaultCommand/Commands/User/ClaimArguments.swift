import ArgumentParser
import TokenIssuer

/// The claims about a user; those that are not given stay as they are.
struct ClaimArguments: ParsableArguments {
    @Option(help: ArgumentHelp("The user's full name; \"\" removes it.", valueName: "text"))
    var name: String?
    @Option(
        help: ArgumentHelp(
            "The name by which applications call the user; \"\" removes it. (default: the user's name here)",
            valueName: "text"))
    var preferredUsername: String?
    @Option(
        help: ArgumentHelp("The user's e-mail address, unverified; \"\" removes it.", valueName: "address"))
    var email: String?
    @Flag(
        inversion: .prefixedNo,
        help: "Whether you verified that the address is the user's: applications may trust it.")
    var emailVerified: Bool?
    @Option(help: ArgumentHelp("The user's language, as de or pt-BR; \"\" removes it.", valueName: "tag"))
    var locale: String?

    var isGiven: Bool {
        [name, preferredUsername, email, locale].contains { $0 != nil } || emailVerified != nil
    }

    /// A new address is not verified by what was known of the one before.
    func apply(to claims: inout UserClaims) {
        func told(_ text: String) -> String? { text.isEmpty ? nil : text }
        if let name { claims.name = told(name) }
        if let preferredUsername { claims.preferredUsername = told(preferredUsername) }
        if let email, told(email) != claims.email {
            claims.email = told(email)
            claims.isEmailVerified = false
        }
        if let emailVerified { claims.isEmailVerified = emailVerified }
        if let locale { claims.locale = told(locale) }
    }
}
