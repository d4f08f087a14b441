import Foundation
package import TokenRotation
package import VaultCore
import VaultCrypto
import VaultStore

/// A code or refresh token presented by an authenticated client.
package struct ExchangeRequest: Sendable {
    package var kind: CredentialKind
    package let credential: SecretBytes
    /// What the log says of the credential: taken by the caller, not by the one writer.
    let fingerprint: [UInt8]
    package var client: OwnerID
    /// As registered when the client was authenticated: what a pair is prepared for.
    let lifetimes: Lifetimes
    /// Pseudonym of the client: the actor in the log.
    package var actor: AuditActor
    /// Refresh only; nil when omitted.
    package var scope: ScopeSet?
    /// What the new access token is wanted for; nil: what the grant's tokens are for, if anything.
    package var resource: ResourceIdentifier?
    /// Codes only: as sent to the token endpoint.
    package var redirectURI: String?
    /// Codes only: the PKCE verifier.
    package var codeVerifier: SecretBytes?
    package var requestID: String?
    /// ``Client/revision``.
    let revision: RegistryRevision?
    /// Of the client, as registered then.
    let rotation: RefreshTokenRotation
    /// Anybody may have said its name.
    let isOfPublicClient: Bool
    /// The generation of the client secret used, where a newer one exists.
    package var supersededSecret: UInt32?

    package init(kind: CredentialKind, credential: SecretBytes, client: Client, channel: AuditChannel) {
        self.kind = kind
        self.credential = credential
        fingerprint = TokenFingerprint.of(credential)
        self.client = client.id
        revision = client.revision
        isOfPublicClient = client.registration.isPublic
        lifetimes = client.registration.lifetimes
        rotation = client.registration.rotation
        self.actor = AuditActor(client.pseudonym, channel)
    }
}

/// How an exchange ended. Storage trouble is thrown.
package enum ExchangeResult: Sendable {
    case issued(IssuedTokens)
    /// The same pair as before, byte for byte.
    case replayed(IssuedTokens)
    case refused(RefusalReason)
    /// The token is younger than the database: it was restored, or rolled back. Nothing changed; answer 503.
    case databaseIsBehind
}

extension Vault {
    /// The swap: replaces generation n of a grant by n + 1, or says why not, in one transaction with its entry.
    ///
    /// - Parameter expectation: what ``prepareExchange(_:ifScopeContains:)`` said it would give; the same or nothing.
    /// - Throws: ``VaultError/Code/busy``, among others, when the grant moved on since: prepare again.
    package func exchange(
        _ request: ExchangeRequest, prepared expectation: PreparedExchange? = nil
    ) async throws -> ExchangeResult {
        let tokenKind: TokenKind = request.kind == .authorizationCode ? .authorizationCode : .refreshToken
        guard let handle = try await openHandle(request.credential, as: tokenKind) else {
            try await recordRefusal(of: request, .unknownGrant)
            return .refused(.unknownGrant)
        }
        let challenge = request.codeVerifier.flatMap(PKCE.challengeS256(of:))
        let expectation = expectation.flatMap { $0.handle == handle ? $0 : nil }
        let prepared =
            try expectation?.pair
            ?? PreparedPair(after: handle, request.lifetimes, at: clock.now(), keyring)
        let result: ExchangeResult? = try await queue.submit(
            .finishing, reading: [.grant(handle.grant)]
        ) { transaction in
            try transaction.expect(request.revision)
            guard let row = try transaction.load(GrantRow.self, handle.grant.rawValue)?.row else {
                return .unchanged(nil)
            }
            let audited = try Exchange(
                request: request, handle: handle, challenge: challenge, prepared: prepared,
                expectation: expectation, transaction: transaction
            ).perform(row).noting(
                supersededSecret: request.supersededSecret, of: request.actor, request.requestID)
            return audited.map(Optional.some)
        }
        if let result { return result }
        return try await refuse(request, isAhead: isAhead(handle))
    }

    /// The grant of an authentic credential is not there, and rightly so.
    private func refuse(_ request: ExchangeRequest, isAhead: Bool) async throws -> ExchangeResult {
        try await write(.finishing) { _ in
            let reason = isAhead ? Exchange.databaseIsBehind : RefusalReason.unknownGrant.rawValue
            let event = Exchange.event(request, .refused, reason)
            return Audited(isAhead ? .databaseIsBehind : .refused(.unknownGrant), event)
                .noting(supersededSecret: request.supersededSecret, of: request.actor, request.requestID)
        }
    }

    /// A refusal without a grant: written at a bounded rate.
    private func recordRefusal(of request: ExchangeRequest, _ reason: RefusalReason) async throws {
        var event = Exchange.event(request, .refused, reason.rawValue)
        event.isLimited = !request.isOfPublicClient
        // What is no token of ours may be anything, a password typed into the wrong field too.
        event.fingerprint = nil
        try await record(event)
    }
}

/// One exchange inside its transaction: decides by ``RotationRules``, then acts.
private struct Exchange {
    let request: ExchangeRequest
    let handle: TokenHandle
    let challenge: String?
    let prepared: PreparedPair
    let expectation: PreparedExchange?
    let transaction: WriteTransaction

    static let databaseIsBehind = "database_is_behind"

    func perform(_ row: GrantRow) throws -> Audited<ExchangeResult> {
        guard let client = try transaction.client(request.client), client.state == .active else {
            return refuse(.clientDisabled, row)
        }
        let moment = RotationMoment(now: transaction.now, serving: transaction.serving)
        let decision = RotationRules.decide(
            try presented(row), against: try GrantState(row, transaction), at: moment,
            under: client.rotationPolicy)
        switch decision {
        case .swap(let scope):
            // Of a refresh nothing is unsealed: what the tokens are for is in the row.
            let context = request.kind == .authorizationCode ? try transaction.context(of: row) : nil
            if let context, let reason = bindingRefusal(context) { return refuse(reason, row) }
            let bound = context.map(\.resource) ?? row.access?.audience
            // A stranger's client gets tokens for what its user saw, and for nothing that it names later.
            let mayChoose = bound == nil && !client.isSelfRegistered
            guard mayChoose || isMeant(for: bound) else { return refuse(.resourceMismatch, row) }
            try expectation?.check(row, isReplay: false, scope)
            return try swap(row, scope, client, for: bound ?? request.resource?.text)
        case .replay, .staleReplay:
            guard isMeant(for: row.access?.audience) else { return refuse(.resourceMismatch, row) }
            try expectation?.check(row, isReplay: true, row.access?.scope)
            return decision == .replay ? try replay(row) : try replayToStaleToken(row)
        case .refuse(let reason): return refuse(reason, row)
        case .revoke(let reason): return try revoke(row, reason)
        case .databaseIsBehind:
            return Audited(
                .databaseIsBehind,
                Self.event(request, .refused, Self.databaseIsBehind, row.id, handle.generation))
        }
    }

    private func presented(_ row: GrantRow) throws -> PresentedCredential {
        let proof = try transaction.proof(of: handle, row)
        let tag = handle.generation == row.generation ? row.credentialTag : row.previousCredentialTag
        return PresentedCredential(
            kind: request.kind, generation: handle.generation, isFamilyProven: proof.isFamilyProven,
            isTokenProven: proof.isToken(request.credential, tag),
            isOfThisClient: row.client == request.client, issuedAt: handle.issuedAt, endsAt: handle.endsAt,
            requestedScope: request.scope)
    }

    /// Codes: the redirect URI and the PKCE verifier must be those of the authorization request.
    private func bindingRefusal(_ context: GrantContext) -> RefusalReason? {
        CodeBinding.check(
            boundRedirectURI: context.redirectURI, boundChallenge: context.codeChallenge,
            presentedRedirectURI: request.redirectURI, derivedChallenge: challenge,
            isVerifierMalformed: request.codeVerifier != nil && challenge == nil)
    }

    /// Whether the request may have a token with this audience: it names nothing, or the same.
    private func isMeant(for audience: String?) -> Bool {
        request.resource == nil || audience.flatMap(ResourceIdentifier.init) == request.resource
    }

    /// - Parameter audience: of the access token; once there is one, every later token of the grant has it.
    private func swap(
        _ old: GrantRow, _ scope: ScopeSet, _ client: Client, for audience: String?
    ) throws -> Audited<ExchangeResult> {
        let now = transaction.now
        var row = old
        row.generation = old.generation + 1
        let isStale = handle.generation != old.generation
        let reason = isStale ? row.countStaleUse(at: now) : nil
        let expiry = PairExpiry(
            client.registration.lifetimes, from: now, grantEnds: old.absoluteExpiresAt)
        let tagKey = try transaction.keyring.tagKey(old.tagKeyID)
        let (pair, accessTag, refreshTag) = try fitting(expiry, isStale ? old.generation : nil).pair(
            for: row.generation, tagKey: tagKey,
            withRefreshToken: client.registration.grantTypes.contains(.refreshToken))
        row.previousCredentialTag = old.credentialTag
        row.credentialTag = refreshTag
        row.previousAccess = isStale ? nil : old.access
        row.access = AccessTokenSlot(
            scope: scope, audience: audience, issuedAt: now, expiresAt: expiry.access,
            tag: accessTag)
        // Idle lifetime slides, absolute lifetime does not; without a refresh token the access token ends the grant.
        row.idleExpiresAt = pair.refreshToken == nil ? expiry.access : expiry.refresh
        row.swappedAt = transaction.serving
        row.firstUsedAt = nil
        row.pair = try transaction.seal(
            pair.sealedForm, owner: row.owner, table: TableLayout.grants.number, column: GrantRow.pairColumn,
            row: row.id.rawValue, generation: UInt64(row.generation))
        try transaction.update(
            row, isIndexUnchanged: row.expiresDay == old.expiresDay, guardedBy: Int64(old.generation))
        return Audited(
            .issued(try issued(pair, row)),
            Self.event(
                request, .succeeded, reason, row.id, row.generation, reason == nil ? nil : row.staleUses))
    }

    /// The pair that was prepared, or one that is sealed now because its handles would say another end than the row.
    ///
    /// - Parameter current: the generation that the pair follows, where the presented token is older.
    private func fitting(_ expiry: PairExpiry, _ current: UInt32?) throws -> PreparedPair {
        if current == nil || expectation != nil, prepared.fits(expiry) { return prepared }
        // An answer was signed for the prepared one.
        guard expectation == nil else { throw PreparedExchange.outdated }
        let handle = current.map(handle.moved) ?? handle
        return try PreparedPair(after: handle, until: expiry, at: transaction.now, transaction.keyring)
    }

    private func replay(_ row: GrantRow) throws -> Audited<ExchangeResult> {
        guard let owner = try transaction.owner(row.owner) else {
            throw VaultError(.integrity, "A grant has lost its token pair.")
        }
        let pair = try row.unsealedPair(owner, transaction.keyring)
        return Audited(
            .replayed(try issued(pair, row)),
            Self.event(request, .replayed, nil, row.id, row.generation))
    }

    /// Counts in the row what would fill the log: one entry a minute tells of it.
    private func replayToStaleToken(_ old: GrantRow) throws -> Audited<ExchangeResult> {
        guard let leaf = try transaction.load(GrantRow.self, old.id.rawValue)?.leaf else {
            throw LostRow.error(.grants, old.id.rawValue)
        }
        var row = old
        let reason = row.countStaleUse(at: transaction.now)
        try transaction.updateUnhashed(row, leaf: leaf, guardedBy: Int64(row.generation))
        let result = try replay(row).result
        guard let reason else { return .upkeep(result) }
        return Audited(
            result, Self.event(request, .replayed, reason, row.id, handle.generation, row.staleUses))
    }

    private func revoke(_ old: GrantRow, _ reason: RefusalReason) throws -> Audited<ExchangeResult> {
        var row = old
        row.status = .revoked
        row.pair = nil
        try transaction.update(row, isIndexUnchanged: true, guardedBy: Int64(old.generation))
        return Audited(
            .refused(reason), Self.event(request, .revoked, reason.rawValue, row.id, handle.generation))
    }

    private func refuse(_ reason: RefusalReason, _ row: GrantRow) -> Audited<ExchangeResult> {
        Audited(.refused(reason), Self.event(request, .refused, reason.rawValue, row.id, handle.generation))
    }

    private func issued(_ pair: TokenPair, _ row: GrantRow) throws -> IssuedTokens {
        guard let access = row.access else {
            throw VaultError(.integrity, "A grant has lost its access token.")
        }
        return IssuedTokens(
            pair: pair, scope: access.scope, issuedAt: access.issuedAt, expiresAt: access.expiresAt,
            expiresIn: access.expiresAt.elapsed(since: transaction.now).components.seconds, grant: row.id,
            generation: row.generation, client: row.client, owner: row.owner, kind: row.kind,
            context: expectation?.context,
            refreshExpiresIn: pair.refreshToken.map { _ in
                min(row.idleExpiresAt, row.absoluteExpiresAt).elapsed(since: transaction.now).components
                    .seconds
            })
    }

    /// - Parameter reason: nil where the database is behind, or all is well.
    static func event(
        _ request: ExchangeRequest, _ outcome: AuditOutcome, _ reason: String?, _ grant: GrantID? = nil,
        _ generation: UInt32? = nil, _ staleUses: Int64? = nil
    ) -> AuditEvent {
        var event = AuditEvent(
            request.kind == .authorizationCode ? .codeExchange : .refresh, outcome, by: request.actor,
            reason: reason, grant: grant, generation: generation, fingerprint: request.fingerprint,
            requestID: request.requestID, count: staleUses.map(Int.init))
        event.isLimited = outcome == .refused
        return event
    }
}
