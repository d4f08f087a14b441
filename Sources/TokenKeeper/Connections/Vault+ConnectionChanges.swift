package import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// Tokens that begin a connection, or begin it again.
package struct ConnectionGrant: Sendable {
    package var provider: ProviderID
    package var owner: OwnerID
    package var label: String
    package var kind: ConnectionKind
    /// Of a connection without tokens yet: what to ask for.
    package var scope = ""
    /// Nil: there are none yet (client credentials), or they lie in `reply`.
    package var tokens: NewTokens?
    /// An answer to the code that could not be read.
    package var reply: SecretBytes?
    /// False for tokens that the provider has not answered for.
    package var isVerified: Bool
    /// The tokens must not be used: they are kept to be revoked at the provider.
    package var isUnwanted = false
    /// Another account of the provider may take the connection's place.
    package var replacesAccount = false
    package var dueAt: VaultInstant?

    package init(
        _ provider: ProviderID, _ owner: OwnerID, label: String, kind: ConnectionKind = .consent,
        tokens: NewTokens? = nil, reply: SecretBytes? = nil, isVerified: Bool = true,
        dueAt: VaultInstant? = nil
    ) {
        self.provider = provider
        self.owner = owner
        self.label = label
        self.kind = kind
        self.tokens = tokens
        self.reply = reply
        self.isVerified = isVerified
        self.dueAt = dueAt
    }
}

/// The tokens are of another account of the provider than the connection that they would replace.
package struct OtherAccount: Error {
    /// Another connection here is of that account: at the provider both may be one grant.
    package let isConnected: Bool
}

extension Vault {
    /// Stores what a consent, an import or client credentials gave: a new connection, or the next generation
    /// of the one that the owner has at the provider under this label. A refresh that is in flight for the
    /// older tokens can no longer settle.
    ///
    /// - Throws: ``OtherAccount``, and nothing is changed; a connection that was given up is anyone's.
    package func storeConnection(_ grant: ConnectionGrant) async throws -> HeldConnection {
        try await storeOrRefuse(grant).get()
    }

    private func storeOrRefuse(
        _ grant: ConnectionGrant
    ) async throws -> Result<HeldConnection, OtherAccount> {
        try LabelRules.check(grant.label)
        return try await write(.finishing) { [operatorActor] transaction in
            let keyring = transaction.keyring
            guard let owner = try transaction.owner(grant.owner, sealingFor: .keeper),
                owner.row.state != .removed
            else {
                throw VaultError(.denied, "The user was removed.")
            }
            let tags = keyring.connectionTags(grant.provider, grant.owner, grant.label)
            let known = try transaction.database.connection(tags: tags, keyring)
            var row: ConnectionRow
            var held: HeldConnection
            if let known {
                row = known
                held = try HeldConnection(row, owner, keyring)
                if !grant.replacesAccount, row.state != .revoking, row.state != .revoked,
                    let account = grant.tokens?.account, held.isOfAnother(than: account)
                {
                    let others = try transaction.database.loadAll(
                        ConnectionRow.self, where: "subject_tag = ? AND state IN (1, 2, 5) LIMIT 1",
                        [.blob(keyring.subjectTag(row.provider, account))], keyring)
                    var event = AuditEvent(
                        .connectionCallback, .refused, by: operatorActor)
                    event.reason = LeafReason.otherAccount
                    event.subject = row.owner == .system ? nil : owner.pseudonym
                    return Audited(.failure(OtherAccount(isConnected: !others.isEmpty)), event)
                }
                row.fence += 1
                row.lease = nil
                if grant.reply == nil || row.pair == nil { row.state = .live }
            } else {
                row = ConnectionRow(
                    id: transaction.next(\.nextGrantID), grant, tag: tags[0], now: transaction.now)
                held = HeldConnection(row, owner, details: ConnectionDetails(label: grant.label))
                row.details = try row.sealed(
                    held.details.encoded(), ConnectionRow.detailsColumn, owner, keyring)
            }
            let attempt = row.attempt
            if let tokens = grant.tokens {
                try transaction.store(tokens, in: &row, &held, owner, beginsGrant: true, endsKeptReply: true)
                // A refresh token that the provider gives again is as spent as it was.
                if let attempt, let given = tokens.refreshToken,
                    TokenFingerprint.of(given) == attempt.fingerprint
                {
                    row.attempt = attempt
                }
                if grant.isUnwanted { row.state = .revoking }
            }
            if let reply = grant.reply {
                // A generation of its own: a refresh that is under way must not take its place.
                row.generation += 1
                row.pair = try held.pair.map {
                    try row.sealed($0.sealedForm, ConnectionRow.pairColumn, owner, keyring)
                }
                try row.keep(reply, ofConsent: true, in: &held, owner, keyring)
                // Tokens that work go on working, and what is to be revoked still is.
                if row.pair == nil || (row.state != .live && row.state != .revoking) {
                    row.state = .needsConsent
                    row.reason = "unreadable-reply"
                }
            }
            row.isVerified = grant.isVerified
            if grant.tokens != nil || row.state != .live { row.dueAt = grant.dueAt }
            if grant.isUnwanted { row.dueAt = transaction.now }
            var event = AuditEvent(.connectionAdd, row, by: operatorActor, of: owner)
            if known == nil {
                try transaction.insert(row)
                event.creation = try transaction.countCreation(of: row.owner)
            } else {
                try transaction.update(row)
            }
            event.reason =
                grant.reply != nil
                ? (known?.state == .needsConsent ? ConnectionState.needsConsent : .live)
                    .reasonOfLoss("unreadable-reply")
                : grant.isUnwanted
                    ? LeafReason.unwanted : grant.isVerified ? nil : LeafReason.imported
            event.fingerprint = grant.tokens.map { TokenFingerprint.of($0.accessToken) }
            return Audited(.success(held.following(row)), event)
        }
    }

    /// Ends a connection: its tokens are not used from now on, and a service revokes it at the provider.
    ///
    /// - Parameter isKnownThere: false when the provider has no revocation endpoint: it ends here alone, its tokens
    ///   destroyed at once.
    /// - Throws: ``VaultError/Code/notFound``.
    package func revokeConnection(_ id: ConnectionID, isKnownThere: Bool) async throws -> Connection {
        try await write(.finishing) { [operatorActor] transaction in
            var row = try transaction.connection(id)
            let isNews = row.state != .revoking && row.state != .revoked
            if row.state != .revoked {
                row.state = isKnownThere && row.pair != nil ? .revoking : .revoked
                row.reason = row.state == .revoked ? LeafReason.endedHere : nil
                row.dueAt = row.state == .revoking ? transaction.now : nil
                if row.state == .revoked { row.forgetTokens() }
                try transaction.update(row)
            }
            let reason =
                !isNews
                ? LeafReason.requestedAgain
                : row.state == .revoked ? LeafReason.endedHere : LeafReason.requested
            return Audited(
                try transaction.held(row).connection,
                AuditEvent(
                    .connectionRevoke, row, by: operatorActor, reason: reason,
                    of: try transaction.owner(of: row)))
        }
    }

    /// Writes how a revocation at the provider ended.
    ///
    /// - Parameter retryAt: nil: it is done, and the tokens are destroyed.
    package func settleRevocation(
        _ id: ConnectionID, generation: Int64, reason: String, retryAt: VaultInstant?
    ) async throws {
        try await write(.finishing) { [operatorActor] transaction in
            var row = try transaction.connection(id)
            var event = AuditEvent(
                .connectionRevoke, row, by: operatorActor, reason: reason, of: try transaction.owner(of: row))
            guard row.state == .revoking, row.generation == generation else {
                // A late refresh brought tokens that want revoking too.
                event.outcome = .refused
                event.reason = LeafReason.changedMeanwhile
                return Audited((), event)
            }
            if let retryAt {
                event.outcome = .refused
                row.dueAt = retryAt
                row.failures += 1
                row.reason = reason
            } else {
                row.state = .revoked
                row.reason = reason
                row.dueAt = nil
                row.forgetTokens()
            }
            try transaction.update(row)
            return Audited((), event)
        }
    }

    /// Removes a connection and destroys its tokens; at the provider they live on unless it was revoked before.
    ///
    /// - Throws: ``VaultError/Code/notFound``; ``VaultError/Code/busy`` while a refresh of it is in flight, whose
    ///   answer would be lost.
    package func removeConnection(_ id: ConnectionID) async throws {
        try await write(.finishing) { [operatorActor] transaction in
            let row = try transaction.connection(id)
            if let remaining = row.lease?.remaining(at: transaction.monotonic) {
                let seconds = remaining.milliseconds / 1000 + 1
                throw VaultError(
                    .busy, "The connection is being refreshed.", remedy: "Try again in \(seconds) seconds.")
            }
            let event = AuditEvent(
                .connectionRemove, row, by: operatorActor, of: try transaction.owner(of: row))
            try transaction.delete(.connections, id: row.id)
            return Audited((), event)
        }
    }

    /// The tokens of a connection, for a person; the log says so, and why, before they are shown.
    ///
    /// - Parameter reason: 1 to 256 bytes; kept sealed under the owner's key beside the log.
    package func revealConnection(_ id: ConnectionID, reason: String) async throws -> HeldConnection {
        try NameRules.check(reason, what: "reason")
        return try await write(.finishing) { [operatorActor] transaction in
            let row = try transaction.connection(id)
            var event = AuditEvent(
                .connectionReveal, row, by: operatorActor, of: try transaction.owner(of: row))
            event.personal = PersonalData(owner: row.owner, data: Array(reason.utf8))
            return Audited(try transaction.held(row), event)
        }
    }
}

extension ConnectionRow {
    fileprivate init(id: Int64, _ grant: ConnectionGrant, tag: [UInt8], now: VaultInstant) {
        self.init(
            id: id, provider: grant.provider, owner: grant.owner, kind: grant.kind, lookupTag: tag,
            scope: grant.scope, createdAt: now)
    }
}
