import TokenRotation
public import VaultCore
import VaultCrypto
import VaultStore

/// A grant as an operator sees it: no token in it.
public struct Grant: Sendable {
    public enum State: String, Sendable, Codable {
        case live
        case revoked
        case expired
        /// Its user or client is disabled, removed, or revoked everything since.
        case suspended
    }

    private let row: GrantRow
    public let state: State

    public var id: GrantID { row.id }
    public var client: OwnerID { row.client }
    public var owner: OwnerID { row.owner }
    public var kind: GrantKind { row.kind }
    public var scope: ScopeSet { row.scope }
    /// How many exchanges it has seen; 0: the code was not redeemed yet.
    public var generation: UInt32 { row.generation }
    public var createdAt: VaultInstant { row.createdAt }
    public var idleExpiresAt: VaultInstant { row.idleExpiresAt }
    public var absoluteExpiresAt: VaultInstant { row.absoluteExpiresAt }
    /// When the current access token expires.
    public var accessExpiresAt: VaultInstant? { row.access?.expiresAt }
}

extension Vault {
    /// What this vault's issuer granted: each a user's, or a client's own.
    public var grants: VaultGrants { VaultGrants(vault: self) }

    static let noGrant = VaultError(.notFound, "There is no such grant.", remedy: "List the grants.")
}

/// Finds, lists and revokes the grants of a vault, for the operator.
///
/// ```swift
/// for grant in try await vault.grants.list(ofUser: alice.id) where grant.state == .live {
///     try await vault.grants.revoke(grant.id)
/// }
/// ```
///
/// No call here asks whose a grant is. For a page on which users see their own, take
/// ``Vault/account(of:through:requestID:)``.
public struct VaultGrants: Sendable {
    package let vault: Vault

    /// Finds a grant by its number.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func find(_ id: GrantID) async throws -> Grant {
        let now = vault.clock.now()
        return try await vault.snapshot { database, keys in
            guard let row = try database.load(GrantRow.self, id.rawValue, keys.keyring)?.row else {
                throw Vault.noGrant
            }
            return try Grant(row, database, keys.keyring, vault.registry, now)
        }
    }

    /// Lists the grants of every owner in order of issue, expired ones included.
    ///
    /// - Parameters:
    ///   - last: the grant that the page before ended with.
    ///   - limit: the most grants to return.
    public func list(after last: GrantID = GrantID(0), limit: Int = 1000) async throws -> [Grant] {
        try await list(owner: nil, client: nil, after: last, limit: limit)
    }

    /// Lists the grants of one user as ``list(after:limit:)`` does.
    ///
    /// - Parameter user: the owner, which is a client where that was issued tokens for itself.
    public func list(
        ofUser user: OwnerID, after last: GrantID = GrantID(0), limit: Int = 1000
    ) async throws -> [Grant] {
        try await list(owner: user, client: nil, after: last, limit: limit)
    }

    /// Lists the grants whose tokens one client holds as ``list(after:limit:)`` does.
    public func list(
        toClient client: OwnerID, after last: GrantID = GrantID(0), limit: Int = 1000
    ) async throws -> [Grant] {
        try await list(owner: nil, client: client, after: last, limit: limit)
    }

    /// With nil, whose they are does not matter. Kept from hosts: one that passes on a user whom it did not find must not list
    /// those of all.
    package func list(
        owner: OwnerID?, client: OwnerID?, after last: GrantID, limit: Int
    ) async throws -> [Grant] {
        let now = vault.clock.now()
        return try await vault.scan { database, keys in
            try database.page(
                GrantRow.self, after: last.rawValue, limit: limit,
                ["client_id": client?.rawValue, "owner_id": owner?.rawValue], keys.keyring
            ).map { try Grant($0, database, keys.keyring, vault.registry, now) }
        }
    }

    /// Revokes a grant: its refresh token and its access tokens are dead from the moment this returns.
    /// Revoking it again changes nothing.
    ///
    /// - Throws: ``VaultError/Code/notFound``.
    public func revoke(_ id: GrantID) async throws {
        try await vault.write(.finishing, reading: [.grant(id)]) { transaction in
            guard var row = try transaction.load(GrantRow.self, id.rawValue)?.row else { throw Vault.noGrant }
            let event = AuditEvent(
                .grantRevoke, by: vault.operatorActor, reason: "operator",
                subject: try transaction.owner(row.owner)?.pseudonym, grant: id, generation: row.generation)
            if row.status == .live { try transaction.revoke(&row) }
            return Audited((), event)
        }
    }
}

extension Grant {
    fileprivate init(
        _ row: GrantRow, _ database: Database, _ keyring: Keyring, _ registry: Registry, _ now: VaultInstant
    ) throws {
        let owner = try registry.owner(row.owner, database, keyring, revision: nil)
        let client = try registry.owner(row.client, database, keyring, revision: nil)
        let standing = OwnerStanding(row, owner: owner, clientRevocations: client?.row.revocations ?? .max)
        self.row = row
        state =
            if row.status == .revoked || standing == .revokedSinceIssue || standing == .erased {
                .revoked
            } else if now >= row.absoluteExpiresAt || now >= row.idleExpiresAt {
                .expired
            } else if standing != .good || client?.row.state != .active {
                .suspended
            } else {
                .live
            }
    }
}

extension VaultGrants {
    /// Revokes the grant that a token belongs to, for the client it was issued to (RFC 7009 section 2.1). Any
    /// proven generation of a refresh token does it, and any access token that is still remembered. Another
    /// client's token changes nothing.
    ///
    /// - Returns: whether this call revoked a grant. The client gets the same answer either way.
    package func revoke(
        _ token: SecretBytes, by client: Client, channel: AuditChannel = .http, requestID: String? = nil
    ) async throws -> Bool {
        var found = try await vault.openHandle(token, as: .refreshToken)
        if found == nil { found = try await vault.openHandle(token, as: .accessToken) }
        guard let handle = found else { return false }
        let event = AuditEvent(
            .grantRevoke, by: AuditActor(client.pseudonym, channel), generation: handle.generation,
            fingerprint: TokenFingerprint.of(token), requestID: requestID)
        let isRevoked: Bool? = try await vault.queue.submit(
            .finishing, reading: [.grant(handle.grant)]
        ) { [event, client = client.id] transaction in
            guard var row = try transaction.load(GrantRow.self, handle.grant.rawValue)?.row else {
                return .unchanged(nil)
            }
            var event = event
            event.grant = row.id
            if let doubt = try transaction.doubt(about: token, handle, of: row, for: client) {
                return Audited(false, event.refused(doubt))
            }
            event.reason = "client"
            event.subject = try transaction.owner(row.owner)?.pseudonym
            try transaction.revoke(&row)
            return Audited(true, event)
        }
        if let isRevoked { return isRevoked }
        if try await vault.isAhead(handle) { throw await vault.databaseIsBehind() }
        return try await vault.write(.finishing) { [event] _ in Audited(false, event.refused(.unknownGrant)) }
    }
}

extension AuditEvent {
    fileprivate func refused(_ reason: RefusalReason) -> AuditEvent {
        var event = self
        event.outcome = .refused
        event.reason = reason.rawValue
        event.isLimited = true
        return event
    }
}

extension WriteTransaction {
    /// Why a token does not revoke its grant, if so.
    fileprivate func doubt(
        about token: SecretBytes, _ handle: TokenHandle, of row: GrantRow, for client: OwnerID
    ) throws -> RefusalReason? {
        let proof = try proof(of: handle, row)
        guard proof.isFamilyProven else { return .wrongFamily }
        let isRefresh = handle.kind == .refreshToken
        switch handle.generation {
        case row.generation:
            let tag = isRefresh ? row.credentialTag : row.access?.tag
            guard proof.isToken(token, tag) else { return .wrongToken }
        case _
        where row.generation > 0 && handle.generation == row.generation - 1
            && (isRefresh || !row.isMovedByStaleToken):
            let tag = isRefresh ? row.previousCredentialTag : row.previousAccess?.tag
            guard proof.isToken(token, tag) else { return .wrongToken }
        default:
            // Of other generations no tag is kept. A refresh token of them is proven by the family secret; an access
            // token is dead anyhow.
            guard isRefresh else { return .accessTokenSuperseded }
        }
        guard row.client == client else { return .wrongClient }
        return row.status == .revoked ? .grantRevoked : nil
    }

    /// Ends a grant that lives.
    package func revoke(_ row: inout GrantRow) throws {
        row.status = .revoked
        row.pair = nil
        try update(row, isIndexUnchanged: true, guardedBy: Int64(row.generation))
    }
}
