import TokenRotation
public import VaultCore
import VaultStore

/// What a user may see and end of its own, for a host's account page: no identifier leads to what is another user's.
///
/// ```swift
/// let account = vault.account(of: session.user, requestID: request.id)
/// for grant in try await account.grants() where grant.state == .live { … }
/// try await account.revokeGrant(GrantID(posted))
/// ```
///
/// The audit log names the user as the one who did it.
public struct VaultAccount: Sendable {
    let vault: Vault
    let user: OwnerID
    let channel: AuditChannel
    let requestID: String?

    /// Lists the user's grants in order of issue, expired ones included.
    ///
    /// - Parameters:
    ///   - last: the grant that the page before ended with.
    ///   - limit: the most grants to return.
    public func grants(after last: GrantID = GrantID(0), limit: Int = 1000) async throws -> [Grant] {
        try await vault.grants.list(ofUser: user, after: last, limit: limit)
    }

    /// Lists what the user allowed, one consent for each client, oldest first.
    public func consents() async throws -> [Consent] { try await vault.consents.list(ofUser: user) }

    /// Revokes a grant of the user: its tokens are refused from the moment this returns. For one that is revoked already,
    /// nothing is done and nothing logged.
    ///
    /// - Parameter id: as a form or an address names it: it is looked at whose grant that is.
    /// - Throws: ``VaultError/Code/notFound``, also for a grant of another user.
    public func revokeGrant(_ id: GrantID) async throws {
        try await vault.write(.finishing, reading: [.grant(id)]) { [user, channel, requestID] transaction in
            guard var row = try transaction.load(GrantRow.self, id.rawValue)?.row, row.owner == user,
                let owner = try transaction.owner(user), owner.row.kind == .user
            else { throw Vault.noGrant }
            guard row.status == .live else { return .unchanged(()) }
            let event = AuditEvent(
                .grantRevoke, by: AuditActor(owner.pseudonym, channel), reason: "user",
                subject: try transaction.owner(row.client)?.pseudonym, grant: id, generation: row.generation,
                requestID: requestID)
            try transaction.revoke(&row)
            return Audited((), event)
        }
    }

    /// Withdraws what the user allowed a client, and revokes every grant that the client has of the user.
    ///
    /// - Parameter client: as a form or an address names it.
    /// - Throws: ``VaultError/Code/notFound`` where the user allowed that client nothing, or withdrew it before.
    public func withdrawConsent(from client: OwnerID) async throws {
        try await vault.consents.withdraw(
            ofUser: user, fromClient: client, through: channel, requestID: requestID)
    }
}

extension Vault {
    /// What a user may see and end of its own grants and consents.
    ///
    /// - Parameters:
    ///   - user: the user who is signed in: as the session says, never as a form or an address does.
    ///   - channel: the door through which the user acts, for the audit log.
    ///   - requestID: the identifier of the request, for the audit log.
    public func account(
        of user: OwnerID, through channel: AuditChannel = .http, requestID: String? = nil
    ) -> VaultAccount {
        VaultAccount(vault: self, user: user, channel: channel, requestID: requestID)
    }
}
