public import VaultCore
import VaultCrypto
import VaultStore

/// What a user allowed a client and is not asked again: one row of `consents`.
public struct Consent: Sendable {
    public let id: Int64
    public let user: OwnerID
    public let client: OwnerID
    /// The whole scope that this user ever allowed this client.
    public internal(set) var scope: ScopeSet
    /// The last time the user allowed it.
    public internal(set) var grantedAt: VaultInstant
}

extension Vault {
    /// What users allowed clients, and are not asked again.
    public var consents: VaultConsents { VaultConsents(vault: self) }

    static let noConsent = VaultError(.notFound, "The user allowed this client nothing.")
}

/// Finds, lists and withdraws the consents of a vault, for the operator.
///
/// No call here asks who wants it. For a page on which users see and withdraw their own, take
/// ``Vault/account(of:through:requestID:)``.
public struct VaultConsents: Sendable {
    package let vault: Vault

    /// What a user allowed a client; nil when that is nothing.
    public func find(ofUser user: OwnerID, toClient client: OwnerID) async throws -> Consent? {
        try await vault.snapshot { database, keys in
            try database.consent(of: user, to: client, keys.keyring)
        }
    }

    /// Lists everything that a user allowed, one consent for each client, oldest first.
    public func list(ofUser user: OwnerID) async throws -> [Consent] {
        try await vault.snapshot { database, keys in
            try database.loadAll(
                Consent.self, where: "owner_id = ? ORDER BY id", [.integer(user.rawValue)], keys.keyring)
        }
    }

    /// Lists consents of every user, oldest first.
    ///
    /// - Parameters:
    ///   - last: the number of the consent that the page before ended with.
    ///   - limit: the most consents to return.
    public func list(after last: Int64 = 0, limit: Int = 1000) async throws -> [Consent] {
        try await vault.scan { database, keys in
            try database.page(Consent.self, after: last, limit: limit, [:], keys.keyring)
        }
    }

    /// Remembers that a user allowed a client this scope, in addition to the earlier scope.
    ///
    /// - Parameter channel: the door through which the user said so.
    package func remember(
        ofUser user: OwnerID, toClient client: OwnerID, scope: ScopeSet,
        through channel: AuditChannel = .http,
        requestID: String? = nil
    ) async throws {
        if let known = try await find(ofUser: user, toClient: client), scope.isSubset(of: known.scope) {
            return
        }
        try await vault.write { transaction in
            guard let owner = try transaction.owner(user), owner.row.kind == .user,
                let party = try transaction.client(client), owner.row.state == .active,
                party.state == .active
            else { throw VaultError(.denied, "The client or the user was disabled.") }
            let known = try transaction.database.consent(of: user, to: client, transaction.keyring)
            return Audited(
                (), try transaction.remember(scope, by: owner, channel, to: party, known: known, requestID))
        }
    }

    /// Takes a consent back and revokes every grant that the client has of this user. Grants go a few at a
    /// time, the consent with the last of them: what is interrupted is simply done again.
    ///
    /// Where there is neither, only the entry in the audit log is written.
    public func withdraw(ofUser user: OwnerID, fromClient client: OwnerID) async throws {
        try await withdraw(ofUser: user, fromClient: client, through: nil, requestID: nil)
    }

    /// - Parameter channel: the user does it, through this door; nil: the operator does.
    /// - Throws: ``VaultError/Code/notFound`` to a user who has nothing to withdraw.
    func withdraw(
        ofUser user: OwnerID, fromClient client: OwnerID, through channel: AuditChannel?, requestID: String?
    ) async throws {
        var last: GrantID? = GrantID(0)
        while let after = last {
            last = try await vault.write(.finishing) { transaction in
                let owner = try transaction.owner(user)
                let batch = try transaction.database.page(
                    GrantRow.self, after: after.rawValue, limit: Limits.rowsPerLeaf,
                    ["owner_id": user.rawValue, "client_id": client.rawValue, "state": 1], transaction.keyring
                )
                let consent = try transaction.database.consent(of: user, to: client, transaction.keyring)
                var event = AuditEvent(
                    .consentWithdraw, by: vault.operatorActor, subject: owner?.pseudonym, requestID: requestID
                )
                if let channel {
                    guard let owner, owner.row.kind == .user,
                        consent != nil || !batch.isEmpty || after != GrantID(0)
                    else { throw Vault.noConsent }
                    event.actor = AuditActor(owner.pseudonym, channel)
                    event.subject = try transaction.owner(client)?.pseudonym
                }
                for var row in batch { try transaction.revoke(&row) }
                guard batch.count < Limits.rowsPerLeaf else { return Audited(batch.last?.id, event) }
                if let consent { try transaction.delete(.consents, id: consent.id) }
                return Audited(nil, event)
            }
        }
    }
}

extension Vault {
    /// Deletes the consents of a user or client that was removed, a few at a time.
    package func forgetConsents(of id: OwnerID) async throws {
        // Of a client that was removed: consents of many people.
        let owner = SQLValue.integer(id.rawValue)
        try await writeEach(Consent.self, where: "(owner_id = ? OR client_id = ?)", [owner, owner]) {
            [operatorActor] row, transaction in
            try transaction.delete(.consents, id: row.id)
            transaction.log(
                AuditEvent(
                    .consentWithdraw, by: operatorActor, reason: "removed",
                    subject: try transaction.owner(row.user)?.pseudonym))
        }
    }
}

extension WriteTransaction {
    /// Writes that a user allows a client this scope too.
    ///
    /// - Parameter known: what the user allowed it before.
    /// - Returns: the event that names the row.
    package func remember(
        _ scope: ScopeSet, by user: Owner, _ channel: AuditChannel, to client: Client, known: Consent?,
        _ requestID: String?
    ) throws -> AuditEvent {
        var event = AuditEvent(
            .consentGrant, by: AuditActor(user.pseudonym, channel), subject: client.pseudonym,
            requestID: requestID)
        if var row = known {
            row.scope = row.scope.union(scope)
            row.grantedAt = now
            try update(row)
        } else {
            event.creation = try countCreation(of: user.row.id)
            try insert(
                Consent(
                    id: next(\.nextGrantID), user: user.row.id, client: client.id, scope: scope,
                    grantedAt: now))
        }
        return event
    }
}

extension Database {
    package func consent(of user: OwnerID, to client: OwnerID, _ keyring: Keyring) throws -> Consent? {
        try loadAll(
            Consent.self, where: "owner_id = ? AND client_id = ?",
            [.integer(user.rawValue), .integer(client.rawValue)], keyring
        ).first
    }
}
