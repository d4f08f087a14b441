package import VaultCore

/// Decides whether an access token is good, from the row and the time alone. A refresh does not cut off
/// requests in flight: the access token of the generation before the current one lives on until it
/// expires. Older ones are gone, however long they had left.
package enum AccessTokenRules {
    /// Nil when the token is good.
    ///
    /// - Parameters:
    ///   - generation: the one inside the authentic handle.
    ///   - current: the grant's generation.
    ///   - isTokenProven: the token has the tag that the row keeps for its generation. Rows keep two, of the
    ///     current generation and of the one before, so this is looked at only there.
    ///   - expiresAt: end of this access token's own life, never after the grant's absolute one.
    package static func judge(
        generation: UInt32, current: UInt32, isFamilyProven: Bool, isTokenProven: Bool, status: GrantStatus,
        owner: OwnerStanding, expiresAt: VaultInstant, now: VaultInstant
    ) -> RefusalReason? {
        // Generation 0 gave out a code and nothing else.
        guard generation > 0 else { return .wrongKind }
        guard isFamilyProven else { return .wrongFamily }
        let isRemembered = generation <= current && current - generation <= 1
        guard isTokenProven || !isRemembered else { return .wrongToken }
        if let reason = status.refusal ?? owner.refusal { return reason }
        guard generation <= current else { return .accessTokenAhead }
        guard isRemembered else { return .accessTokenSuperseded }
        return now >= expiresAt ? .accessTokenExpired : nil
    }
}

extension GrantStatus {
    /// Why a grant of this status gives nothing more, if so.
    var refusal: RefusalReason? {
        switch self {
        case .live: nil
        case .revoked: .grantRevoked
        }
    }
}

extension OwnerStanding {
    /// The reason why a grant of an owner in this state gives no tokens, if so.
    var refusal: RefusalReason? {
        switch self {
        case .good: nil
        case .disabled: .ownerDisabled
        case .revokedSinceIssue: .ownerRevoked
        case .erased: .ownerErased
        }
    }
}

/// Checks that a code is redeemed by the client that requested it: same redirect URI, and the PKCE verifier. Called
/// only where ``RotationRules`` would swap. A failure changes nothing: the code stays good.
package enum CodeBinding {
    /// Nil when the request fits.
    ///
    /// - Parameters:
    ///   - boundRedirectURI: the `redirect_uri` of the authorization request; nil if it had none.
    ///   - boundChallenge: the S256 `code_challenge` of the authorization request; nil if it had none.
    ///   - presentedRedirectURI: the `redirect_uri` of the token request; nil if it has none.
    ///   - derivedChallenge: S256 of the `code_verifier`; nil without one, or with a malformed one.
    ///   - isVerifierMalformed: there is a `code_verifier`, but not of the form of RFC 7636 section 4.1.
    package static func check(
        boundRedirectURI: String?, boundChallenge: String?, presentedRedirectURI: String?,
        derivedChallenge: String?, isVerifierMalformed: Bool
    ) -> RefusalReason? {
        // RFC 6749 section 4.1.3: redirect_uri is "REQUIRED, if the "redirect_uri" parameter was included in
        // the authorization request [...], and their values MUST be identical." Where it was not included the
        // code went to the only registered address, and what the token request says about it binds nothing.
        if let boundRedirectURI {
            guard let presentedRedirectURI, isIdentical(boundRedirectURI, presentedRedirectURI) else {
                return .redirectURIMismatch
            }
        }
        let hasVerifier = derivedChallenge != nil || isVerifierMalformed
        guard let boundChallenge else {
            // RFC 9700 section 2.1.1: "a token request containing a code_verifier parameter is accepted only
            // if a code_challenge parameter was present in the authorization request". Section 4.8.2 shows
            // the attack.
            return hasVerifier ? .codeVerifierUnexpected : nil
        }
        guard hasVerifier else { return .codeVerifierMissing }
        // RFC 7636 section 4.6: "If the values are not equal, an error response indicating "invalid_grant"
        // [...] MUST be returned."
        guard let derivedChallenge, !isVerifierMalformed, isIdentical(boundChallenge, derivedChallenge) else {
            return .codeVerifierMismatch
        }
        return nil
    }

    /// Octet by octet: `==` on strings takes different spellings of one character for equal.
    private static func isIdentical(_ left: String, _ right: String) -> Bool {
        left.utf8.elementsEqual(right.utf8)
    }
}
