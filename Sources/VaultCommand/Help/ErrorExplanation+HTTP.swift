import TokenIssuer

/// The codes a client of the server reads (RFC 6749 section 5.2, RFC 6750 section 3.1).
extension ErrorExplanation {
    static let http = [
        ErrorExplanation(
            .invalidRequest,
            "A parameter is missing, is there twice, or is malformed; or two authentications were sent.",
            changed: "Nothing; no token was spent.",
            remedy: "The description names the parameter. Send a form body, each parameter once."),
        ErrorExplanation(
            .invalidClient,
            "The client did not prove who it is: unknown, disabled, wrong or expired secret, or another method than it is "
                + "registered for.",
            changed: "Nothing; the log has an entry of it.",
            remedy:
                "'tokenvault client show' lists its methods and secrets; 'client rotate-secret' makes a new one."
        ),
        ErrorExplanation(
            .invalidGrant,
            "The code or refresh token is unknown, expired, revoked, another client's, or was used before.",
            changed: "Nothing, or the grant was revoked because a spent token came back: the log says which.",
            remedy:
                "The user allows the client again. 'tokenvault audit list --grant N' says why (docs/rotation.md)."
        ),
        ErrorExplanation(
            .unauthorizedClient, "The client is not registered for this grant type.",
            changed: "Nothing.", remedy: "Register it: 'tokenvault client set'."),
        ErrorExplanation(
            .unsupportedGrantType, "The server knows no such grant type.",
            changed: "Nothing.", remedy: "Use authorization_code, refresh_token or client_credentials."),
        ErrorExplanation(
            .invalidScope, "The scope is malformed, or asks for more than was granted.",
            changed: "Nothing; the refresh token was not spent.",
            remedy:
                "Ask for less, or leave scope out. A repeated refresh asks for what it asked for the first time."
        ),
        ErrorExplanation(
            .temporarilyUnavailable,
            "The server is busy, short of space, damaged, or behind its tokens; or authentication failed too often.",
            changed: "Nothing, unless the description says that it is not known.",
            remedy:
                "Wait as Retry-After says, then send the same request again: never log the user out for it."),
        ErrorExplanation(
            .serverError, "The server failed; its operator was told.",
            changed: "Nothing that was answered.",
            remedy: "See the log of the service, and 'tokenvault doctor'."),
        ErrorExplanation(
            .invalidToken, "The access token is expired, revoked, malformed, or was never one.",
            changed: "Nothing.",
            remedy: "Refresh it once; if that is refused, the user allows the client again."),
        ErrorExplanation(
            .insufficientScope, "The access token is good, but for less than this.",
            changed: "Nothing.", remedy: "Ask the user for the scope that the answer names."),
    ]
}
