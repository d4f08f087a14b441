import TokenVault
package import VaultCore
import VaultCrypto

/// How a refresh ended.
package struct Settlement: Sendable {
    package enum Outcome: Sendable {
        case tokens(NewTokens)
        /// An error, in answer to the very token that was sent.
        case refused(RefusedRefresh)
        /// No answer that counts; `isSent`: the provider may have acted.
        case unsettled(reason: String, isSent: Bool)
        /// A success that could not be read, kept as it came.
        case unreadable(SecretBytes)
    }

    package var connection: ConnectionID
    package var generation: Int64
    package var fence: Int64
    package var outcome: Outcome
    /// When a service looks at the connection next, where the outcome leaves it live.
    package var dueAt: VaultInstant?
    /// The tokens were read in the reply that is kept with the connection, which goes with it.
    package var readsKeptReply = false

    package init(
        _ connection: ConnectionID, generation: Int64, fence: Int64, _ outcome: Outcome, dueAt: VaultInstant?
    ) {
        self.connection = connection
        self.generation = generation
        self.fence = fence
        self.outcome = outcome
        self.dueAt = dueAt
    }
}

/// What a provider granted.
package struct NewTokens: Sendable {
    package var accessToken: SecretBytes
    /// Nil: the one that is there stays, unless the tokens begin a grant.
    package var refreshToken: SecretBytes?
    /// Looked at for its nonce and its subject, and not kept.
    package var idToken: SecretBytes?
    /// The provider's own name for the account that they are of; nil: it does not tell.
    package var account: String?
    /// As the provider wrote it, names joined by single spaces; nil: as before.
    package var scope: String?
    /// On our clock; nil: it does not expire.
    package var accessExpiresAt: VaultInstant?
    /// On our clock; nil: as before where the refresh token stays, not known where it is new.
    package var refreshExpiresAt: VaultInstant?
    package var absoluteExpiresAt: VaultInstant?
    /// What the provider's entry wants kept.
    package var metadata: [String: String] = [:]

    package init(accessToken: SecretBytes) { self.accessToken = accessToken }
}

package enum SettleAnswer: Sendable {
    case settled(HeldConnection)
    /// Others were faster; their state counts.
    case superseded(HeldConnection)
}

extension Vault {
    /// Writes the outcome of a refresh (transaction 2 of 2); its tokens may be used once this has returned.
    ///
    /// A worker whose lease ran out may bring nothing but tokens: what a provider granted is stored as long as the
    /// connection is still at the generation that was sent, whichever worker holds the lease. An unreadable reply may
    /// hold tokens too, and is kept. A lease settles once: a worker that was not told that it did may repeat the
    /// call, which changes nothing.
    ///
    /// - Throws: ``VaultError/Code/notFound``: the connection was removed meanwhile.
    package func settleRefresh(_ settlement: Settlement) async throws -> SettleAnswer {
        try await queue.submit(.finishing, reading: [.connection(settlement.connection)]) {
            [operatorActor = operatorActor.withoutDetails] transaction in
            var row = try transaction.connection(settlement.connection)
            let owner = try transaction.owner(of: row)
            var held = try HeldConnection(row, owner, transaction.keyring)
            let isHolder = row.fence == settlement.fence && row.lease != nil
            let isCurrent = row.generation == settlement.generation
            let counts =
                switch settlement.outcome {
                case .tokens: isCurrent || isHolder
                case .unreadable: isHolder || (isCurrent && row.reply == nil)
                case .refused, .unsettled: isCurrent && isHolder
                }
            guard counts else { return .unchanged(.superseded(held)) }
            if isHolder { row.lease = nil }
            var event = AuditEvent(.connectionRefresh, row, by: operatorActor, of: owner)
            let news = try transaction.apply(settlement, to: &row, &held, owner, isHolder: isHolder, &event)
            // Nobody attends to these: what is due for ever would stand before all others.
            if row.state == .needsConsent || row.state == .revoked { row.dueAt = nil }
            try transaction.update(row)
            event.generation = UInt32(clamping: row.generation)
            return Audited(.settled(held.following(row)), event, [news].compactMap(\.self))
        }
    }
}

extension WriteTransaction {
    /// - Returns: a further entry, about the provider.
    fileprivate func apply(
        _ settlement: Settlement, to row: inout ConnectionRow, _ held: inout HeldConnection, _ owner: Owner,
        isHolder: Bool, _ event: inout AuditEvent
    ) throws -> AuditEvent? {
        switch settlement.outcome {
        case .tokens(let tokens):
            event.reason = LeafReason.ofTokens(from: row.state)
            let isOfConsent = settlement.readsKeptReply && held.details.isConsentReplyKept
            try store(
                tokens, in: &row, &held, owner, keepingLease: !isHolder, beginsGrant: isOfConsent,
                endsKeptReply: settlement.readsKeptReply)
            row.dueAt = row.state == .revoking ? now : settlement.dueAt
            event.fingerprint = TokenFingerprint.of(tokens.accessToken)
            return try trustProvider(row.provider, event.actor)
        case .refused(let refusal):
            return try settle(refusal, in: &row, &held, owner, dueAt: settlement.dueAt, &event)
        case .unsettled(let reason, let isSent):
            event.outcome = .refused
            event.reason = reason
            row.note(reason, dueAt: settlement.dueAt)
            if !isSent { row.forgetLastSend() }
        case .unreadable(let reply):
            event.outcome = .refused
            event.reason = "unreadable-reply"
            if isHolder { row.note("unreadable-reply", dueAt: settlement.dueAt) }
            try row.keep(reply, ofConsent: false, in: &held, owner, keyring)
        }
        return nil
    }

    /// Moves a connection to its next generation.
    ///
    /// - Parameters:
    ///   - beginsGrant: The tokens are of a new consent. Nothing of the grant before stays beside them: the user may have
    ///     chosen another account of the provider.
    ///   - endsKeptReply: The reply that is kept is of no more use. One to a refresh goes with the refresh that follows it;
    ///     one to a consent stays until it is read, or the user consents again.
    func store(
        _ tokens: NewTokens, in row: inout ConnectionRow, _ held: inout HeldConnection, _ owner: Owner,
        keepingLease: Bool = false, beginsGrant: Bool, endsKeptReply: Bool
    ) throws {
        let known = held.details
        var details = known
        let reply = !endsKeptReply && details.isConsentReplyKept ? held.reply : nil
        details.isConsentReplyKept = false
        details.refusal = nil
        if beginsGrant { details.metadata = [:] }
        let bare = details
        details.metadata.merge(tokens.metadata) { $1 }
        if details != known {
            // What does not fit must not cost the tokens.
            if (try? details.encoded()) == nil { details = bare }
            row.details = try row.sealed(details.encoded(), ConnectionRow.detailsColumn, owner, keyring)
            held.details = details
        }
        // Tokens that were imported learn their account by the first refresh that tells it.
        if beginsGrant || row.subject == nil {
            try row.keep(account: tokens.account, in: &held, owner, keyring)
        }
        row.generation += 1
        let pair = TokenPair(
            accessToken: tokens.accessToken,
            refreshToken: tokens.refreshToken ?? (beginsGrant ? nil : held.pair?.refreshToken))
        held.pair = pair
        row.pair = try row.sealed(pair.sealedForm, ConnectionRow.pairColumn, owner, keyring)
        (row.reply, held.reply) = (nil, nil)
        if let reply { try row.keep(reply, ofConsent: true, in: &held, owner, keyring) }
        // For tokens of our own the column says what is asked for; one answer with less must not stick.
        let scope = tokens.scope ?? (beginsGrant ? "" : nil)
        if row.kind == .consent, let scope, scope.utf8.count <= Limits.providerScopeBytes {
            row.scope = scope
        }
        row.issuedAt = now
        row.accessExpiresAt = tokens.accessExpiresAt
        if beginsGrant || tokens.refreshToken != nil || tokens.refreshExpiresAt != nil {
            row.refreshExpiresAt = tokens.refreshExpiresAt
        }
        row.absoluteExpiresAt = tokens.absoluteExpiresAt ?? (beginsGrant ? nil : row.absoluteExpiresAt)
        row.attempt = nil
        row.failures = 0
        row.isVerified = true
        if row.state == .needsConsent || row.state == .failing { row.state = .live }
        // A late answer for a connection that was given up: these tokens want revoking too.
        if row.state == .revoked { row.state = .revoking }
        if row.state == .live { row.reason = nil }
        if !keepingLease { row.lease = nil }
    }
}

extension ConnectionRow {
    /// A refresh that brought nothing; `isLast`: it ends the connection's life. Where the user has to consent
    /// already, the reason stays: asking once more did not change what happened.
    mutating func note(_ reason: String, dueAt: VaultInstant? = nil, isLast: Bool = false) {
        failures += 1
        guard state.isRefreshed else { return }
        self.reason = reason
        self.dueAt = dueAt
        if isLast { state = .needsConsent }
    }

    /// The last send did not reach the provider, or was refused before it looked at the token.
    mutating func forgetLastSend() {
        attempt?.sends -= 1
        if attempt?.sends == 0 { attempt = nil }
    }
}

/// What a refusal does to a connection and to its provider.
///
/// | refusal | connection | provider |
/// |---|---|---|
/// | the token is dead | needs consent | – |
/// | our client, by name | noted; the second time it backs off | stopped, where this is news |
/// | our client or this token | backs off | stopped, once that many different connections say so |
/// | anything else | backs off | – |
/// | our client, in answer to a probe | noted | stays stopped |
extension WriteTransaction {
    /// - Returns: a further entry, of a provider that is stopped.
    func settle(
        _ refusal: RefusedRefresh, in row: inout ConnectionRow, _ held: inout HeldConnection, _ owner: Owner,
        dueAt: VaultInstant?, _ event: inout AuditEvent
    ) throws -> AuditEvent? {
        event.outcome = .refused
        var details = held.details
        guard refusal.meaning != .needsConsent else {
            event.reason = row.state.reasonOfLoss(refusal.reason)
            row.attempt = nil
            row.note(refusal.reason, isLast: true)
            details.count(refusal, isWitness: false, at: now)
            try row.keep(details, in: &held, owner, keyring)
            return nil
        }
        row.forgetLastSend()
        let isOfClient = refusal.meaning != .request
        if isOfClient, try isProbe(row.provider, refusal) {
            // It says nothing of this connection, which is to be tried at once when the provider is called again.
            event.reason = LeafReason.again(refusal.reason)
            if row.state.isRefreshed { (row.reason, row.dueAt) = (refusal.reason, dueAt) }
            return nil
        }
        let last = details.refusal.flatMap { $0.revision == refusal.revision ? $0 : nil }
        // A connection that was refused so before, while the provider was called, says nothing new by being refused again.
        let isWitness = isOfClient && last?.isWitness != true
        details.count(refusal, isWitness: isOfClient, at: now)
        try row.keep(details, in: &held, owner, keyring)
        event.reason =
            last == nil || row.state == .needsConsent ? refusal.reason : LeafReason.again(refusal.reason)
        let stop = isWitness ? try doubtProvider(row.provider, refusal, by: row.id, event.actor) : nil
        row.note(refusal.reason, dueAt: dueAt)
        // The provider's fault, not the connection's: it is tried at once when that is over.
        if stop != nil, refusal.meaning == .client { row.failures -= 1 }
        if row.isFailing(details.refusal, at: now) {
            row.state = .failing
            event.reason = LeafReason.failing(refusal.reason)
        }
        return stop
    }

    private func isProbe(_ id: ProviderID, _ refusal: RefusedRefresh) throws -> Bool {
        guard let row = try load(ProviderRow.self, id.rawValue)?.row else { return false }
        return row.state == .stopped && row.revision == refusal.revision
    }
}

extension ConnectionDetails {
    /// One more refusal in a row, or the first of one.
    fileprivate mutating func count(_ refusal: RefusedRefresh, isWitness: Bool, at now: VaultInstant) {
        var counted =
            self.refusal
            ?? ConnectionRefusal(
                reason: refusal.reason, words: refusal.words, since: now, count: 0, revision: refusal.revision
            )
        if counted.revision != refusal.revision {
            counted.revision = refusal.revision
            counted.isWitness = false
        }
        counted.reason = refusal.reason
        counted.words = refusal.words
        counted.count += 1
        counted.isWitness = counted.isWitness || isWitness
        self.refusal = counted
    }
}

extension ConnectionRow {
    /// Refused for so long, and so often, is no passing trouble.
    private static let spanBeforeFailing = Duration.seconds(3 * 3600)
    private static let refusalsBeforeFailing = 3

    /// With the provider's words where they fit next to its metadata.
    fileprivate mutating func keep(
        _ details: ConnectionDetails, in held: inout HeldConnection, _ owner: Owner, _ keyring: Keyring
    ) throws {
        var details = details
        if (try? details.encoded()) == nil { details.refusal?.words = "" }
        guard let encoded = try? details.encoded() else { return }
        self.details = try sealed(encoded, Self.detailsColumn, owner, keyring)
        held.details = details
    }

    /// Whether it goes over to ``ConnectionState/failing`` now.
    fileprivate func isFailing(_ refusal: ConnectionRefusal?, at now: VaultInstant) -> Bool {
        guard state == .live, let refusal, refusal.count >= Self.refusalsBeforeFailing,
            now.elapsed(since: refusal.since) >= Self.spanBeforeFailing
        else { return false }
        return pair == nil || accessExpiresAt.map { $0 <= now } ?? false
    }
}
