import TokenKeeper

/// The codes of consents at providers. `unavailable` is explained with those of the vault.
extension ErrorExplanation {
    static let keeper = [
        ErrorExplanation(
            .unknownCallback,
            "The browser came back with a state that is malformed, used, over, or of another browser's session.",
            changed: "No connection was made; no code was sent to the provider.",
            remedy: "Begin again with 'tokenvault connection connect', in one browser, within the hour."),
        ErrorExplanation(
            .wrongIssuer,
            "The answer names another issuer than the user was sent to, or none though the provider's discovery "
                + "document promises one: a mix-up attack looks so.",
            changed: "No connection was made; no code was sent to the provider.",
            remedy: "Check the issuer in the provider's entry. If it is right, tell the provider."),
        ErrorExplanation(
            .wrongIDToken, "The provider's ID token does not carry the nonce of this consent.",
            changed:
                "No connection was made; one that existed is as it was. The message says what became of the tokens.",
            remedy:
                "Begin again. If it always happens, the provider leaves the nonce out: write {nonce: \"\"} under "
                + "requests.authorize of its entry."),
        ErrorExplanation(
            .accessDenied, "The user said no at the provider, or a rule there said it for the user.",
            changed: "No connection was made; one that existed is as it was.",
            remedy: "The message has the provider's words. Ask again when the user wants it."),
        ErrorExplanation(
            .refused, "The provider refused the request, the code, or the token.",
            changed: "No connection was made; one that existed is as it was.",
            remedy: "The message has the provider's words. Begin again with 'tokenvault connection connect'."),
        ErrorExplanation(
            .clientRefused,
            "The provider refused our own client: its identifier, its secret, or its authentication method.",
            changed: "No connection was made; those that exist are unhurt.",
            remedy: "Correct it with 'tokenvault provider add NAME --replace'."
        ),
        ErrorExplanation(
            .unreadableReply, "The provider answered, perhaps with tokens, in a form that cannot be read.",
            changed: "The answer is kept, sealed: nothing is lost.",
            remedy: "Run 'tokenvault connection replay-reply' with a corrected entry or a newer version."),
        ErrorExplanation(
            .notSupported, "The provider's entry does not say how to do this.", changed: "Nothing.",
            remedy: "'tokenvault provider show NAME' lists its endpoints; add the missing one."),
    ]
}
