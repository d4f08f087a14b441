/// What `prompt` asks for (OpenID Connect Core section 3.1.2.1).
package enum Prompt: String, Sendable {
    /// No page may be shown.
    case none
    /// The user signs in again.
    case login
    /// The user is asked again.
    case consent
    /// The user chooses whom to be: the same page as for signing in.
    case selectAccount = "select_account"

    /// Nil for a word that is none of these, and for `none` beside another.
    static func set(_ text: String?) -> Set<Prompt>? {
        let words = (text ?? "").split(separator: " ")
        let prompts = Set(words.compactMap { Prompt(rawValue: String($0)) })
        guard prompts.count == Set(words).count, !prompts.contains(.none) || prompts.count == 1 else {
            return nil
        }
        return prompts
    }
}
