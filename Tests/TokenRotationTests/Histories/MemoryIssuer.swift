import TestSupport
import TokenRotation
import VaultCore

/// The engine under test: one row per grant, as a vault keeps it, moved by the rules alone.
struct MemoryIssuer {
    /// What a backup holds.
    ///
    /// Rows are found by number, and numbers come back after a restore.
    struct Tables {
        var rows: [Int: Row] = [:]
        var owners: [Owner]
        var nextGrant = 1
    }

    struct Row {
        var state: GrantState
        let client: Int
        let owner: Int
        let ownerRevocations: Int
        let family: UInt64
        /// The token of the current generation, and the one before: what a real row keeps only tags of.
        var token: String
        var previousToken: String?
        var pair: Pair?
        var access: AccessToken?
        var previousAccess: AccessToken?
    }

    struct AccessToken {
        let text: String
        let expiresAt: VaultInstant
    }

    struct Owner {
        var isDisabled = false
        var isErased = false
        var revocations = 0
    }

    let lifetimes: Lifetimes
    var tables: Tables
    /// Every reason the rules gave, so that a run can tell what it has reached.
    private(set) var reasons: Set<RefusalReason> = []
    private var random: SeededGenerator

    init(lifetimes: Lifetimes, owners: Int, random: SeededGenerator) {
        self.lifetimes = lifetimes
        self.random = random
        tables = Tables(owners: Array(repeating: Owner(), count: owners))
    }

    mutating func authorize(client: Int, owner: Int, scope: String, at moment: RotationMoment) -> (
        Int, String
    ) {
        let grant = tables.nextGrant
        tables.nextGrant += 1
        let family = random.next()
        let code = Handle(
            kind: .code, grant: grant, generation: 0, family: family, nonce: random.next(),
            issued: moment.now.millisecondsSince1970,
            ends: later(moment.now, lifetimes.code).millisecondsSince1970
        ).text
        let scope = ScopeSet(parsing: scope) ?? .empty
        let state = GrantState(
            generation: 0, status: .live, owner: .good, createdAt: moment.now,
            codeExpiresAt: later(moment.now, lifetimes.code), lastSwap: moment.serving, isFirstUseSeen: false,
            accessExpiresAt: moment.now, isMovedByStaleToken: false,
            idleExpiresAt: later(moment.now, lifetimes.code),
            absoluteExpiresAt: later(moment.now, lifetimes.absolute), scope: scope, currentScope: scope)
        tables.rows[grant] = Row(
            state: state, client: client, owner: owner, ownerRevocations: tables.owners[owner].revocations,
            family: family, token: code)
        return (grant, code)
    }

    mutating func exchange(_ request: Request, at moment: RotationMoment) -> Answer {
        guard let handle = Handle(text: request.text), handle.kind != .access else {
            return .error("invalid_grant")
        }
        guard handle.kind == request.kind else { return refuse(.wrongKind) }
        guard var row = tables.rows[handle.grant] else { return refuse(.unknownGrant) }
        row.state.owner = standing(of: row)
        let remembered = handle.generation == row.state.generation ? row.token : row.previousToken
        let presented = PresentedCredential(
            kind: handle.kind == .code ? .authorizationCode : .refreshToken, generation: handle.generation,
            isFamilyProven: handle.family == row.family, isTokenProven: request.text == remembered,
            isOfThisClient: request.client == row.client,
            issuedAt: VaultInstant(millisecondsSince1970: handle.issued),
            endsAt: VaultInstant(millisecondsSince1970: handle.ends),
            requestedScope: request.scope.flatMap(ScopeSet.init(parsing:)))
        let policy = RotationPolicy(
            retryWindow: .seconds(lifetimes.retryWindowSeconds), rotation: lifetimes.rotation)
        switch RotationRules.decide(presented, against: row.state, at: moment, under: policy) {
        case .swap(let scope):
            let pair = swap(&row, by: handle, to: scope, at: moment)
            tables.rows[handle.grant] = row
            return .pair(pair, scope: Set(scope.names))
        case .replay, .staleReplay:
            guard let pair = row.pair else { return .error("nothing to replay") }
            return .pair(pair, scope: Set(row.state.currentScope.names))
        case .refuse(let reason):
            return refuse(reason)
        case .revoke(let reason):
            revoke(handle.grant)
            return refuse(reason)
        case .databaseIsBehind:
            return .unavailable
        }
    }

    /// The bearer check, which also notes the first use of the current pair.
    mutating func accept(access text: String, at moment: RotationMoment) -> Bool {
        guard let handle = Handle(text: text), handle.kind == .access, let row = tables.rows[handle.grant]
        else { return false }
        let isCurrent = handle.generation == row.state.generation
        let remembered = isCurrent ? row.access : row.previousAccess
        let reason = AccessTokenRules.judge(
            generation: handle.generation, current: row.state.generation,
            isFamilyProven: handle.family == row.family, isTokenProven: text == remembered?.text,
            status: row.state.status, owner: standing(of: row),
            expiresAt: remembered?.expiresAt ?? moment.now,
            now: moment.now)
        if let reason { reasons.insert(reason) }
        if reason == nil, isCurrent { tables.rows[handle.grant]?.state.isFirstUseSeen = true }
        return reason == nil
    }

    mutating func revoke(_ grant: Int) {
        tables.rows[grant]?.state.status = .revoked
    }

    private mutating func swap(
        _ row: inout Row, by presented: Handle, to scope: ScopeSet, at moment: RotationMoment
    ) -> Pair {
        row.state.isMovedByStaleToken = presented.generation != row.state.generation
        row.state.generation += 1
        row.state.lastSwap = moment.serving
        row.state.isFirstUseSeen = false
        row.state.idleExpiresAt = later(moment.now, lifetimes.idle)
        row.state.currentScope = scope
        row.state.accessExpiresAt = min(later(moment.now, lifetimes.access), row.state.absoluteExpiresAt)
        var handle = Handle(
            kind: .access, grant: presented.grant, generation: row.state.generation, family: row.family,
            nonce: random.next(), issued: moment.now.millisecondsSince1970,
            ends: min(row.state.idleExpiresAt, row.state.absoluteExpiresAt).millisecondsSince1970)
        let access = handle.text
        handle.kind = .refresh
        handle.nonce = random.next()
        let pair = Pair(access: access, refresh: handle.text)
        row.pair = pair
        (row.previousToken, row.token) = (row.token, pair.refresh)
        row.previousAccess = row.access
        row.access = AccessToken(text: access, expiresAt: row.state.accessExpiresAt)
        return pair
    }

    private mutating func refuse(_ reason: RefusalReason) -> Answer {
        reasons.insert(reason)
        let isOfScope = reason == .scopeExceeded || reason == .scopeChangedOnRetry
        return .error(isOfScope ? "invalid_scope" : "invalid_grant")
    }

    private func standing(of row: Row) -> OwnerStanding {
        let owner = tables.owners[row.owner]
        if owner.isErased { return .erased }
        if owner.isDisabled { return .disabled }
        return owner.revocations == row.ownerRevocations ? .good : .revokedSinceIssue
    }

    private func later(_ instant: VaultInstant, _ milliseconds: Int) -> VaultInstant {
        instant.advanced(by: .milliseconds(milliseconds))
    }
}

extension RefusalReason {
    /// The `error` of the token endpoint (RFC 6749 section 5.2).
    fileprivate var oauthError: String {
        switch self {
        case .clientDisabled: "invalid_client"
        case .scopeExceeded, .scopeChangedOnRetry: "invalid_scope"
        default: "invalid_grant"
        }
    }
}
