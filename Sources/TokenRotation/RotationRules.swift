package import VaultCore

/// Decides what a presented code or refresh token does to its grant, from the row and the time alone.
///
/// ```
///                 code                     refresh token of cur
///   cur = 0 ───── swap ────► cur = 1 ─────────── swap ───────────► cur = 2 ──► …
///      │                        │  ▲                                  │  ▲
///  code expires                 │  └ replay: token of cur − 1,        │  └ replay …
///      ▼                        │    inside a window                  │
///    refused                    └── code again, or a used token ──────┴──► revoked (for good)
/// ```
///
/// Under a policy that is not strict, some used tokens are not taken for stolen: while the access token of `cur` lives they
/// get its pair again, after that they move the grant on as the token of `cur` would.
///
/// Invariants:
/// - One generation has one pair: every swap leads from `cur` to `cur + 1`, a replay repeats the pair of `cur`.
/// - Anyone who does not prove that the token is of this grant, and theirs, changes nothing.
/// - Age is a matter of generation; clocks only end lifetimes and windows.
/// - A revoked grant stays revoked.
package enum RotationRules {
    /// What the audit log calls a token that is accepted although a strict policy would have revoked its grant.
    package static let staleUse = "stale_refresh_token"

    /// The table of `docs/rotation.md`, read from top to bottom. For a code, `.swap` also asks for
    /// ``CodeBinding`` to hold; where it does not, just refuse.
    package static func decide(
        _ presented: PresentedCredential, against state: GrantState, at moment: RotationMoment,
        under policy: RotationPolicy
    ) -> RotationDecision {
        if let reason = doubt(about: presented, of: state) { return .refuse(reason) }
        if let reason = state.status.refusal ?? state.owner.refusal { return .refuse(reason) }
        if let reason = lifetimeOver(of: state, at: moment.now) { return .refuse(reason) }
        return switch presented.kind {
        case .authorizationCode: decideCode(against: state, at: moment)
        case .refreshToken: decideRefreshToken(presented, against: state, at: moment, under: policy)
        }
    }

    /// Why the credential does not belong to this grant and this client, if it does not.
    private static func doubt(about presented: PresentedCredential, of state: GrantState) -> RefusalReason? {
        guard (presented.kind == .authorizationCode) == (presented.generation == 0) else { return .wrongKind }
        guard presented.isFamilyProven else { return .wrongFamily }
        // The row keeps the tags of two generations; older tokens prove no more than their family, and
        // younger ones are unknown to the row.
        let hasTag = presented.generation == state.generation || isPredecessor(presented, of: state)
        guard presented.isTokenProven || !hasTag else { return .wrongToken }
        // RFC 6749 section 10.4: "The authorization server MUST maintain the binding between a refresh token
        // and the client to whom it was issued."
        guard presented.isOfThisClient else { return .wrongClient }
        return nil
    }

    private static func lifetimeOver(of state: GrantState, at now: VaultInstant) -> RefusalReason? {
        if now >= state.absoluteExpiresAt { return .absoluteExpired }
        // Nothing can be idle before the first pair exists; until then the code has a life of its own.
        return state.generation > 0 && now >= state.idleExpiresAt ? .idleExpired : nil
    }

    private static func decideCode(against state: GrantState, at moment: RotationMoment) -> RotationDecision {
        guard state.generation > 0 else {
            return moment.now >= state.codeExpiresAt ? .refuse(.codeExpired) : .swap(scope: state.scope)
        }
        // RFC 6749 section 4.1.2: "If an authorization code is used more than once, the authorization server
        // MUST deny the request and SHOULD revoke (when possible) all tokens previously issued based on that
        // authorization code." Not for ever: anyone who found a code in an old log could end its grant with it.
        let age = moment.now.elapsed(since: state.createdAt)
        return age < Limits.codeReuseWindow ? .revoke(.codeReused) : .refuse(.codeReused)
    }

    private static func decideRefreshToken(
        _ presented: PresentedCredential, against state: GrantState, at moment: RotationMoment,
        under policy: RotationPolicy
    ) -> RotationDecision {
        guard presented.generation <= state.generation else { return .databaseIsBehind }
        if presented.generation == state.generation {
            return swap(presented, of: state)
        }
        let isRetry =
            isPredecessor(presented, of: state) && isRetryOpen(state, at: moment, under: policy)
        guard isRetry || isTolerated(presented, of: state, at: moment, under: policy.rotation) else {
            // RFC 9700 section 4.14.2: "the authorization server cannot determine which party submitted the
            // invalid refresh token, but it will revoke the active refresh token."
            return .revoke(.refreshTokenReused)
        }
        // A pair whose access token is over helps nobody: where old tokens are tolerated, this one stands for the current.
        if policy.rotation != .strict, moment.now >= state.accessExpiresAt {
            return swap(presented, of: state)
        }
        // The pair exists and is not made again, so it cannot serve a request for another scope.
        guard presented.requestedScope.map({ $0 == state.currentScope }) ?? true else {
            return .refuse(.scopeChangedOnRetry)
        }
        return isRetry ? .replay : .staleReplay
    }

    private static func swap(_ presented: PresentedCredential, of state: GrantState) -> RotationDecision {
        // RFC 6749 section 6: "The requested scope MUST NOT include any scope not originally granted by
        // the resource owner, and if omitted is treated as equal to the scope originally granted by the
        // resource owner."
        let scope = presented.requestedScope ?? state.scope
        return scope.isSubset(of: state.scope) ? .swap(scope: scope) : .refuse(.scopeExceeded)
    }

    /// Whether the client's policy takes a token that is older than the current one, which no retry window is open for.
    private static func isTolerated(
        _ presented: PresentedCredential, of state: GrantState, at moment: RotationMoment,
        under rotation: RefreshTokenRotation
    ) -> Bool {
        let (generations, cap): (UInt32, Duration)
        switch rotation {
        case .strict: return false
        case .untilFirstUse(let time): (generations, cap) = (1, time)
        case .staleTolerant(let count, let time): (generations, cap) = (UInt32(clamping: count), time)
        }
        let isOwnLifeLeft = moment.now < presented.endsAt
        let distance = state.generation - presented.generation
        // The last swap replaced the token before the current one. When older ones were replaced is not remembered, but when
        // they were issued is.
        let age = moment.serving.elapsed(since: state.lastSwap)
        let ageSinceIssue = moment.now.elapsed(since: presented.issuedAt)
        if isOwnLifeLeft, distance <= generations, (distance == 1 ? age : ageSinceIssue) < cap { return true }
        // What was tolerated at the last swap may have made it and lost the answer, or asked at the same moment: it is
        // tolerated while the new access token lives. If any token was, then the predecessor of that time was.
        guard state.isMovedByStaleToken, moment.now < state.accessExpiresAt, distance > 1 else {
            return false
        }
        return distance - 1 <= generations && (distance == 2 || isOwnLifeLeft && ageSinceIssue - age < cap)
    }

    private static func isPredecessor(_ presented: PresentedCredential, of state: GrantState) -> Bool {
        presented.generation < state.generation && state.generation - presented.generation == 1
    }

    /// A clock that ran backwards counts as no time passed: it opens no window that is closed for good (0 s).
    private static func isRetryOpen(
        _ state: GrantState, at moment: RotationMoment, under policy: RotationPolicy
    ) -> Bool {
        let age = moment.serving.elapsed(since: state.lastSwap)
        return age < (state.isFirstUseSeen ? policy.raceWindow : policy.retryWindow)
    }
}

/// What to do with a presented code or refresh token.
package enum RotationDecision: Sendable, Equatable {
    /// Move the grant to its next generation and answer with the new pair. The access token gets this scope;
    /// the scope of the grant stays what it is. To be counted where the token is not the current one.
    case swap(scope: ScopeSet)
    /// Answer with the current pair again, byte for byte. The grant stays what it is.
    case replay
    /// The same for a token that a strict policy would revoke the grant for: to be counted.
    case staleReplay
    /// Say no. The grant stays what it is.
    case refuse(RefusalReason)
    /// Say no and revoke the grant.
    case revoke(RefusalReason)
    /// The token is authentic and newer than the row: an older database was restored. Answer 503,
    /// change nothing, raise an integrity alarm. The client's token is good and must not be called invalid.
    case databaseIsBehind
}

/// What a used refresh token is still good for: a client's setting. Windows and caps are half open, as lifetimes are: 60 s
/// means *less than* 60 s, and 0 s means never.
package struct RotationPolicy: Sendable, Equatable {
    /// For a client whose response got lost: as long as the new pair was not used.
    package let retryWindow: Duration
    /// What is taken besides.
    package let rotation: RefreshTokenRotation

    /// Clamps `retryWindow` to 0 s ... ``Limits/retryWindow``.
    package init(retryWindow: Duration, rotation: RefreshTokenRotation = .strict) {
        self.retryWindow = min(max(retryWindow, .zero), Limits.retryWindow)
        self.rotation = rotation
    }

    /// For honest workers of one client that refresh at once: even after another of them used the new pair.
    ///
    /// The shorter of ``Limits/raceWindow`` and the retry window. Without the minimum a client that was given
    /// no retry window, because it wants a used refresh token to be dead at once, would still have one
    /// of 10 s.
    package var raceWindow: Duration { min(Limits.raceWindow, retryWindow) }
}

/// The time of a decision, on both clocks the rules need.
package struct RotationMoment: Sendable, Equatable {
    /// Wall clock: for lifetimes, which outages do not stop.
    package var now: VaultInstant
    /// Serving clock, which stands still during outages: for the windows, so that a client whose response was
    /// lost in a crash still has time to ask again.
    package var serving: VaultInstant

    package init(now: VaultInstant, serving: VaultInstant) {
        self.now = now
        self.serving = serving
    }
}

/// What a code or a refresh token says about itself, after its handle opened and its client authenticated.
/// Only an authentic handle gets this far: a forged or damaged one is refused before any row is read.
package struct PresentedCredential: Sendable, Equatable {
    package var kind: CredentialKind
    /// The generation inside the handle: 0 for a code, 1 and on for refresh tokens.
    package var generation: UInt32
    /// The family secret inside the handle has the tag that the grant's row keeps.
    package var isFamilyProven: Bool
    /// The token has the tag that the row keeps for its generation. Rows keep two, of the current generation
    /// and of the one before, so the rules look at this only there.
    package var isTokenProven: Bool
    /// The client that presents it is the one it was issued to.
    package var isOfThisClient: Bool
    /// From when to when it is good by its handle, which rounds to minutes outwards. Wall clock.
    package var issuedAt: VaultInstant
    package var endsAt: VaultInstant
    /// The `scope` parameter; nil where it was omitted.
    package let requestedScope: ScopeSet?

    /// An empty `requestedScope` counts as none.
    package init(
        kind: CredentialKind, generation: UInt32, isFamilyProven: Bool, isTokenProven: Bool,
        isOfThisClient: Bool, issuedAt: VaultInstant, endsAt: VaultInstant,
        requestedScope: ScopeSet?
    ) {
        self.kind = kind
        self.generation = generation
        self.isFamilyProven = isFamilyProven
        self.isTokenProven = isTokenProven
        self.isOfThisClient = isOfThisClient
        self.issuedAt = issuedAt
        self.endsAt = endsAt
        // RFC 6749 section 3.2: "Parameters sent without a value MUST be treated as if they were omitted from
        // the request."
        self.requestedScope = requestedScope.flatMap { $0.isEmpty ? nil : $0 }
    }
}

/// The two credentials that can move a grant to its next generation.
package enum CredentialKind: Sendable, CaseIterable {
    case authorizationCode
    case refreshToken
}
