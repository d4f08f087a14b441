extension OAuthError.Code {
    public static let accessDenied = Self(rawValue: "access_denied")
    public static let unsupportedResponseType = Self(rawValue: "unsupported_response_type")
    public static let loginRequired = Self(rawValue: "login_required")
    public static let consentRequired = Self(rawValue: "consent_required")
    public static let requestNotSupported = Self(rawValue: "request_not_supported")
    public static let requestURINotSupported = Self(rawValue: "request_uri_not_supported")
    public static let registrationNotSupported = Self(rawValue: "registration_not_supported")
}

extension OAuthError {
    static let userDisabled = OAuthError(.accessDenied, "The user may not sign in here any more.")

    static let challengeMethod = invalidRequest(
        "The code_challenge_method must be S256, and come with a code_challenge.")
}
