import GRDB
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
    /// Looked at for its nonce, and not kept.
    package var idToken: SecretBytes?
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
    /// Writes what became of a refresh (transaction 2 of 2); its tokens may be used once this has returned.
    ///
    /// A worker whose lease ran out may bring nothing but tokens: what a provider granted is stored as long as the
    /// connection is still at the generation that was sent, whoever holds the lease by now. A reply that cannot be read
    /// may hold tokens too, and is kept beside what the others do. A lease settles once: whoever was not told that it did
    /// may say it again, and changes nothing.
    ///
    /// - Throws: ``VaultError/Code/notFound``: the connection was removed meanwhile.
    package func settleRefresh(_ settlement: Settlement) async throws -> SettleAnswer {
        try await queue.submit(.finishing) { [operatorActor] transaction in
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
            guard counts else { return (.superseded(held), []) }
            if isHolder { row.lease = nil }
            var event = AuditEvent(.connectionRefresh, row, by: operatorActor)
            let news = try transaction.apply(settlement, to: &row, &held, owner, isHolder: isHolder, &event)
            // Nobody attends to these: what is due for ever would stand before all others.
            if row.state == .needsConsent || row.state == .revoked { row.dueAt = nil }
            try transaction.update(row)
            event.generation = UInt32(clamping: row.generation)
            event.subject = row.owner == .system ? nil : owner.pseudonym
            return (.settled(held.following(row)), [event] + [news].compactMap(\.self))
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
