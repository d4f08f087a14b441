import TokenIssuer

/// Refusals that belong to HTTP alone, in the same form as those of OAuth.
enum Refusal {
    static func method(_ allowed: String) -> OAuthError {
        OAuthError(.invalidRequest, status: 405, "This address takes \(allowed) only.")
    }

    static let mediaType = OAuthError(
        .invalidRequest, "The body must be a form: Content-Type application/x-www-form-urlencoded, in UTF-8.")

    static let tooLarge = OAuthError(
        .invalidRequest, status: 413, "The body is larger than this server reads.")

    static let tooSlow = OAuthError(.invalidRequest, status: 408, "The body did not arrive in time.")

    static let truncated = OAuthError(.invalidRequest, "The body ended before its declared length.")

    static let notFound = OAuthError(.invalidRequest, status: 404, "There is nothing at this address.")

    static let failure = OAuthError(
        .serverError, status: 500, "The server failed; it has told its operator why.")

    // What can be wrong with a form of ours.

    static let expired = OAuthError(
        .invalidRequest, "This page was open for too long. Go back to the application and begin again.")

    static let foreignForm = OAuthError(
        .invalidRequest, status: 403,
        "This form was not shown to you in this session. Go back to the application and begin again.")

    static let malformedForm = OAuthError(.invalidRequest, "The form cannot be read.")

    static let noDecision = OAuthError(.invalidRequest, "The form says neither allow nor deny.")
}
