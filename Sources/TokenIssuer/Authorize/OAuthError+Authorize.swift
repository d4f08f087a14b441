extension OAuthError.Code {
    public static let accessDenied = Self(rawValue: "access_denied")
    public static let unsupportedResponseType = Self(rawValue: "unsupported_response_type")
    public static let loginRequired = Self(rawValue: "login_required")
    public static let consentRequired = Self(rawValue: "consent_required")
    public static let requestNotSupported = Self(rawValue: "request_not_supported")
    public static let requestURINotSupported = Self(rawValue: "request_uri_not_supported")
    public static let registrationNotSupported = Self(rawValue: "registration_not_supported")
}

/// Refusals of the authorization endpoint (RFC 6749 section 4.1.2.1, OpenID Connect Core section 3.1.2.6).
extension OAuthError {
    // Shown on a page.

    /// One text for every cause: it must not tell which client identifiers exist.
    static let unknownClient = invalidRequest(
        "The application that sent you here is not known to this server, or was switched off.")

    static let unregisteredRedirect = invalidRequest(
        "The address to return to is not one that this application has registered.")

    static let missingRedirect = invalidRequest(
        "The request does not say where to return to: redirect_uri is missing.")

    static let longState = invalidRequest(
        "The state is longer than \(AuthorizationRequest.longestState) bytes.")

    // Sent to the client.

    static let accessDenied = OAuthError(.accessDenied, "The user denied the request.")

    static let userDisabled = OAuthError(.accessDenied, "The user may not sign in here any more.")

    static let loginRequired = OAuthError(
        .loginRequired, "The user must sign in, and prompt=none allows no page to do so.")

    static let consentRequired = OAuthError(
        .consentRequired, "The user must be asked, and prompt=none allows no page to do so.")

    static let unsupportedResponseType = OAuthError(
        .unsupportedResponseType, "The response_type is not one this server answers.")

    static let unregisteredResponseType = OAuthError(
        .unauthorizedClient, "The client is not registered for this response_type.")

    static let requestNotSupported = OAuthError(
        .requestNotSupported, "Request objects are not supported: send the parameters themselves.")

    static let requestURINotSupported = OAuthError(
        .requestURINotSupported, "request_uri is not supported: send the parameters themselves.")

    static let registrationNotSupported = OAuthError(
        .registrationNotSupported, "Clients are not registered here.")

    static let responseMode = invalidRequest(
        "The response_mode is query or fragment; query is not for tokens.")

    static let challengeMethod = invalidRequest(
        "The code_challenge_method must be S256, and come with a code_challenge.")

    static let challengeMissing = invalidRequest(
        "A public client must send a code_challenge (PKCE, RFC 7636) with the method S256.")

    static let challengeMalformed = invalidRequest(
        "The code_challenge is not 43 characters of base64url, as S256 makes.")

    static let nonceMissing = invalidRequest("A response_type with id_token needs a nonce.")

    static let openIDMissing = invalidRequest("A response_type with id_token needs the scope openid.")

    static let nonceTooLong = invalidRequest(
        "The nonce is longer than \(AuthorizationRequest.longestNonce) bytes.")

    static let promptMalformed = invalidRequest(
        "The prompt is one or more of login, consent and select_account, or none alone.")

    static let maximumAgeMalformed = invalidRequest("The max_age is a number of seconds.")
}
