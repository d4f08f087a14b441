package import VaultCore

/// What a grant's row says, as far as the rules of rotation need it.
package struct GrantState: Sendable, Equatable {
    /// How many exchanges the grant has seen; 0 while only its authorization code is out.
    package var generation: UInt32
    package var status: GrantStatus
    package var owner: OwnerStanding
    /// When the grant was made, which is when its code was issued. Wall clock.
    package var createdAt: VaultInstant
    /// End of the authorization code's life. Wall clock.
    package var codeExpiresAt: VaultInstant
    /// When the current pair came to be, on the serving clock: wall clock time less outages.
    package var lastSwap: VaultInstant
    /// Someone has used the current pair.
    package var isFirstUseSeen: Bool
    /// End of the current access token's life. Wall clock. Without meaning at generation 0.
    package var accessExpiresAt: VaultInstant
    /// The last swap was made with a token that was not the current one.
    package var isMovedByStaleToken: Bool
    /// End of the idle lifetime; every swap moves it. Wall clock. Without meaning at generation 0.
    package var idleExpiresAt: VaultInstant
    /// End of the absolute lifetime; nothing moves it. Wall clock.
    package var absoluteExpiresAt: VaultInstant
    /// What the user allowed.
    package var scope: ScopeSet
    /// What the current access token may do: ``scope``, or less where the last refresh asked for less.
    package var currentScope: ScopeSet

    package init(
        generation: UInt32, status: GrantStatus, owner: OwnerStanding, createdAt: VaultInstant,
        codeExpiresAt: VaultInstant, lastSwap: VaultInstant, isFirstUseSeen: Bool,
        accessExpiresAt: VaultInstant, isMovedByStaleToken: Bool, idleExpiresAt: VaultInstant,
        absoluteExpiresAt: VaultInstant, scope: ScopeSet, currentScope: ScopeSet
    ) {
        self.generation = generation
        self.status = status
        self.owner = owner
        self.createdAt = createdAt
        self.codeExpiresAt = codeExpiresAt
        self.lastSwap = lastSwap
        self.isFirstUseSeen = isFirstUseSeen
        self.accessExpiresAt = accessExpiresAt
        self.isMovedByStaleToken = isMovedByStaleToken
        self.idleExpiresAt = idleExpiresAt
        self.absoluteExpiresAt = absoluteExpiresAt
        self.scope = scope
        self.currentScope = currentScope
    }
}

/// Whether a grant still counts. The raw value is what the row stores.
package enum GrantStatus: Int64, Sendable, CaseIterable {
    case live = 1
    /// For good: by its client, its user, an operator, or because a used token came back.
    case revoked = 2
}

/// The state of a grant's user now, compared with when the grant was made.
package enum OwnerStanding: Sendable, CaseIterable {
    case good
    case disabled
    /// All grants of this owner made until some later moment were revoked at once.
    case revokedSinceIssue
    case erased
}

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
    /// A token of the grant is wanted for another resource than the grant's (RFC 8707).
    case resourceMismatch = "resource_mismatch"
    case redirectURIMismatch = "redirect_uri_mismatch"
    case codeVerifierMissing = "code_verifier_missing"
    case codeVerifierMismatch = "code_verifier_mismatch"
    case codeVerifierUnexpected = "code_verifier_unexpected"
    case accessTokenExpired = "access_token_expired"
    case accessTokenSuperseded = "access_token_superseded"
    /// An access token of a generation that the row has not reached: the database is older than the token.
    case accessTokenAhead = "access_token_ahead"

    /// An operator should look: the handle was authentic, which needs the handle key, and
    /// yet it does not fit its grant, was presented by another client, or came back after it was used.
    package var isAlarm: Bool {
        switch self {
        case .wrongFamily, .wrongToken, .wrongClient, .codeReused, .refreshTokenReused, .accessTokenAhead:
            true
        case .unknownGrant, .wrongKind, .clientDisabled, .grantRevoked, .ownerDisabled, .ownerRevoked,
            .ownerErased, .idleExpired, .absoluteExpired, .codeExpired, .scopeExceeded, .scopeChangedOnRetry,
            .resourceMismatch, .redirectURIMismatch, .codeVerifierMissing, .codeVerifierMismatch,
            .codeVerifierUnexpected,
            .accessTokenExpired, .accessTokenSuperseded:
            false
        }
    }
}
