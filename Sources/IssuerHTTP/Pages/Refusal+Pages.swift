import TokenIssuer

/// What can be wrong with a form of ours.
extension Refusal {
    static let expired = OAuthError(
        .invalidRequest, "This page was open for too long. Go back to the application and begin again.")

    static let foreignForm = OAuthError(
        .invalidRequest, status: 403,
        "This form was not shown to you in this session. Go back to the application and begin again.")

    static let malformedForm = OAuthError(.invalidRequest, "The form cannot be read.")

    static let noDecision = OAuthError(.invalidRequest, "The form says neither allow nor deny.")
}
