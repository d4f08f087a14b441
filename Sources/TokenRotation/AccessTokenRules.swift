package import VaultCore

/// Decides whether an access token is good, from the row and the time alone. A refresh does not cut off
/// requests that are under way: the access token of the generation before the current one lives on until it
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
    /// Why a grant of an owner who stands like this gives nothing more, if so.
    var refusal: RefusalReason? {
        switch self {
        case .good: nil
        case .disabled: .ownerDisabled
        case .revokedSinceIssue: .ownerRevoked
        case .erased: .ownerErased
        }
    }
}
