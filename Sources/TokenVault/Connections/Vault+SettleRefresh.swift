import GRDB
package import VaultCore
import VaultCrypto

/// How a refresh ended.
package struct Settlement: Sendable {
    package enum Outcome: Sendable {
        case tokens(NewTokens)
        /// `invalid_grant` on the very token that was sent.
        case refused(reason: String)
        /// No answer that counts; `isSent`: the provider may have acted.
        case unsettled(reason: String, isSent: Bool)
        /// A success that could not be read, kept as it came.
        case unreadable(SecretBytes)
        /// The provider refused our client, before it looked at the token: it is not called any more.
        case clientRefused(reason: String)
    }

    package var connection: ConnectionID
    package var generation: Int64
    package var fence: Int64
    package var outcome: Outcome
    /// When a service looks at the connection next, where the outcome leaves it live.
    package var dueAt: VaultInstant?

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
    /// Nil: the one that is there stays.
    package var refreshToken: SecretBytes?
    /// Nil: as before.
    package var scope: String?
    package var accessExpiresAt: VaultInstant?
    /// Nil: as before where the refresh token stays, not known where it is new.
    package var refreshExpiresAt: VaultInstant?
    package var absoluteExpiresAt: VaultInstant?
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
    /// connection is still at the generation that was sent, whoever holds the lease by now.
    ///
    /// - Throws: ``VaultError/Code/notFound``: the connection was removed meanwhile.
    package func settleRefresh(_ settlement: Settlement) async throws -> SettleAnswer {
        try await queue.submit(.finishing) { [operatorActor] transaction in
            var row = try transaction.connection(settlement.connection)
            let isHolder = row.fence == settlement.fence
            let isCurrent = row.generation == settlement.generation
            let isTokens = if case .tokens = settlement.outcome { true } else { false }
            guard isCurrent ? (isHolder || isTokens) : (isHolder && isTokens && row.lease != nil) else {
                return (.superseded(try transaction.held(row)), [])
            }
            let owner = try transaction.owner(of: row)
            if isHolder { row.lease = nil }
            var event = AuditEvent(.connectionRefresh, row, by: operatorActor)
            try transaction.apply(settlement, to: &row, owner, isHolder: isHolder, &event)
            try transaction.update(row)
            event.generation = UInt32(clamping: row.generation)
            event.subject = row.owner == .system ? nil : owner.pseudonym
            var events = [event]
            if case .clientRefused(let reason) = settlement.outcome {
                events += try transaction.stopProvider(row.provider, reason, by: operatorActor)
            }
            return (.settled(try transaction.held(row)), events)
        }
    }
}

extension WriteTransaction {
    fileprivate func apply(
        _ settlement: Settlement, to row: inout ConnectionRow, _ owner: Owner, isHolder: Bool,
        _ event: inout AuditEvent
    ) throws {
        switch settlement.outcome {
        case .tokens(let tokens):
            event.reason = LeafReason.ofTokens(from: row.state)
            try store(tokens, in: &row, owner, keepingLease: !isHolder)
            row.dueAt = row.state == .revoking ? now : settlement.dueAt
            event.fingerprint = TokenFingerprint.of(tokens.accessToken)
        case .refused(let reason):
            event.outcome = .refused
            event.reason = LeafReason.lost(reason, from: row.state)
            row.attempt = nil
            if row.state == .live {
                row.state = .needsConsent
                row.dueAt = nil
            }
            row.reason = reason
            row.failures += 1
        case .unsettled(let reason, let isSent):
            event.outcome = .refused
            event.reason = reason
            row.reason = reason
            row.failures += 1
            row.dueAt = row.state == .live ? settlement.dueAt : row.dueAt
            if !isSent { row.forgetLastSend() }
        case .unreadable(let reply):
            event.outcome = .refused
            event.reason = "unreadable-reply"
            row.reason = event.reason
            row.failures += 1
            row.dueAt = settlement.dueAt
            row.reply = try reply.withExposed {
                try row.sealed($0, ConnectionRow.replyColumn, owner, keyring, limit: Limits.sealedReplyBytes)
            }
        case .clientRefused(let reason):
            event.outcome = .refused
            event.reason = reason
            row.forgetLastSend()
            row.dueAt = settlement.dueAt
        }
    }

    /// Moves a connection to its next generation.
    func store(
        _ tokens: NewTokens, in row: inout ConnectionRow, _ owner: Owner, keepingLease: Bool = false
    ) throws {
        let old = try row.unsealedPair(owner, keyring)
        if !tokens.metadata.isEmpty {
            var details = try row.details(owner, keyring)
            details.metadata.merge(tokens.metadata) { $1 }
            row.details = try row.sealed(details.encoded(), ConnectionRow.detailsColumn, owner, keyring)
        }
        row.generation += 1
        let pair = TokenPair(
            accessToken: tokens.accessToken, refreshToken: tokens.refreshToken ?? old?.refreshToken)
        row.pair = try row.sealed(pair.sealedForm, ConnectionRow.pairColumn, owner, keyring)
        row.scope = tokens.scope ?? row.scope
        row.issuedAt = now
        row.accessExpiresAt = tokens.accessExpiresAt
        if tokens.refreshToken != nil || tokens.refreshExpiresAt != nil {
            row.refreshExpiresAt = tokens.refreshExpiresAt
        }
        row.absoluteExpiresAt = tokens.absoluteExpiresAt ?? row.absoluteExpiresAt
        row.reply = nil
        row.attempt = nil
        row.failures = 0
        row.isVerified = true
        if row.state == .needsConsent { row.state = .live }
        // A late answer for a connection that was given up: these tokens want revoking too.
        if row.state == .revoked { row.state = .revoking }
        if row.state == .live { row.reason = nil }
        if !keepingLease { row.lease = nil }
    }
}

extension ConnectionRow {
    /// The last send did not reach the provider, or was refused before it looked at the token.
    fileprivate mutating func forgetLastSend() {
        attempt?.sends -= 1
        if attempt?.sends == 0 { attempt = nil }
    }
}
