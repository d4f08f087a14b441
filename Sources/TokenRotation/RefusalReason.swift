/// Why a credential was refused. The audit log gets the raw value; clients read less.
package enum RefusalReason: String, Sendable, CaseIterable {
    case unknownGrant = "unknown_grant"
    case wrongKind = "wrong_kind"
    case wrongFamily = "wrong_family"
    case wrongToken = "wrong_token"
    case wrongClient = "wrong_client"
    case clientDisabled = "client_disabled"
    case grantRevoked = "grant_revoked"
    case ownerDisabled = "owner_disabled"
    case ownerRevoked = "owner_revoked"
    case ownerErased = "owner_erased"
    case idleExpired = "idle_expired"
    case absoluteExpired = "absolute_expired"
    case codeExpired = "code_expired"
    case codeReused = "code_reused"
    case refreshTokenReused = "refresh_token_reused"
    case scopeExceeded = "scope_exceeded"
    case scopeChangedOnRetry = "scope_changed_on_retry"
    case redirectURIMismatch = "redirect_uri_mismatch"
    case codeVerifierMissing = "code_verifier_missing"
    case codeVerifierMismatch = "code_verifier_mismatch"
    case codeVerifierUnexpected = "code_verifier_unexpected"
    case accessTokenExpired = "access_token_expired"
    case accessTokenSuperseded = "access_token_superseded"
    /// An access token of a generation that the row has not reached: the database is older than the token.
    case accessTokenAhead = "access_token_ahead"

    /// An operator should look: the handle was authentic, which nobody can fake without the handle key, and
    /// yet it does not fit its grant, was presented by another client, or came back after it was used.
    package var isAlarm: Bool {
        switch self {
        case .wrongFamily, .wrongToken, .wrongClient, .codeReused, .refreshTokenReused, .accessTokenAhead:
            true
        case .unknownGrant, .wrongKind, .clientDisabled, .grantRevoked, .ownerDisabled, .ownerRevoked,
            .ownerErased, .idleExpired, .absoluteExpired, .codeExpired, .scopeExceeded, .scopeChangedOnRetry,
            .redirectURIMismatch, .codeVerifierMissing, .codeVerifierMismatch, .codeVerifierUnexpected,
            .accessTokenExpired, .accessTokenSuperseded:
            false
        }
    }
}
