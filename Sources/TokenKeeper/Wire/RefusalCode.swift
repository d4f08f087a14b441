/// Error codes as the standards spell them; a provider's own text never travels further than a diagnostic.
enum RefusalCode {
    static let other = "other"
    /// 401 without a code: some say so of a client, others of a refresh token.
    static let unauthorized = "unauthorized"
    /// No code of a standard: the endpoint is somewhere else by now.
    static let moved = "moved"

    // RFC 6749 sections 4.1.2.1 and 5.2, RFC 7009 section 2.2.1, RFC 8628 section 3.5, RFC 8707 section 2,
    // RFC 6750 section 3.1, RFC 9449 section 5, OpenID Connect Core section 3.1.2.6.
    private static let known: Set<String> = [
        "invalid_request", "invalid_client", "invalid_grant", "unauthorized_client", "unsupported_grant_type",
        "invalid_scope", "access_denied", "unsupported_response_type", "server_error",
        "temporarily_unavailable", "unsupported_token_type", "authorization_pending", "slow_down",
        "expired_token", "invalid_target", "invalid_token", "insufficient_scope", "invalid_dpop_proof",
        "use_dpop_nonce", "interaction_required", "login_required", "account_selection_required",
        "consent_required",
    ]

    /// What a provider's code means: by the entry first, then by the standards, whatever its case.
    static func read(_ text: String, _ meanings: [String: String]) -> String {
        if let meaning = meanings[text] { return known.contains(meaning) ? meaning : other }
        let code = text.lowercased()
        return known.contains(code) ? code : other
    }

    static func isKnown(_ code: String) -> Bool { known.contains(code) }

    static func kind(_ code: String, to purpose: ProviderRequest.Purpose) -> ProviderRefusal.Kind {
        switch code {
        case "invalid_grant": .grant
        // OpenID Connect Core section 3.1.2.6: what the end user has to do.
        case "login_required", "interaction_required", "consent_required", "account_selection_required":
            purpose == .refresh ? .grant : .request
        case "invalid_client": .client
        case "unauthorized_client", unauthorized: .clientOrToken
        case "authorization_pending" where purpose == .deviceToken: .pending
        case "slow_down" where purpose == .deviceToken: .slowDown
        case "access_denied", "expired_token": purpose == .deviceToken ? .denied : .request
        default: .request
        }
    }
}
