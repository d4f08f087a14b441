import TokenRotation
package import VaultCore
import VaultCrypto

extension Vault {
    /// Revokes the grant that a token belongs to, for the client it was issued to (RFC 7009 section 2.1). Any
    /// proven generation of a refresh token does it, and any access token that is still remembered. Another
    /// client's token changes nothing.
    ///
    /// - Returns: whether this call revoked a grant. The client is told the same either way.
    package func revoke(
        _ token: SecretBytes, by client: Client, channel: AuditChannel = .http, requestID: String? = nil
    ) async throws -> Bool {
        let refresh = try openHandle(token, as: .refreshToken)
        guard let handle = try refresh ?? openHandle(token, as: .accessToken) else { return false }
        let event = AuditEvent(
            .grantRevoke, by: AuditActor(client.pseudonym, channel), generation: handle.generation,
            fingerprint: TokenFingerprint.of(token), requestID: requestID)
        let isRevoked: Bool? = try await queue.submit(.finishing) { [event, client = client.id] transaction in
            guard var row = try transaction.load(GrantRow.self, handle.grant.rawValue)?.row else {
                return (nil, [])
            }
            var event = event
            event.grant = row.id
            if let doubt = try transaction.doubt(about: token, handle, of: row, for: client) {
                return (false, [event.refused(doubt)])
            }
            event.reason = "client"
            event.subject = try transaction.owner(row.owner)?.pseudonym
            try transaction.revoke(&row)
            return (true, [event])
        }
        if let isRevoked { return isRevoked }
        if try isAhead(handle.grant) { throw databaseIsBehind }
        return try await write(.finishing) { [event] _ in Audited(false, event.refused(.unknownGrant)) }
    }
}

extension AuditEvent {
    fileprivate func refused(_ reason: RefusalReason) -> AuditEvent {
        var event = self
        event.outcome = .refused
        event.reason = reason.rawValue
        event.refusalOrigin = .tokenHolder
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
        case _ where row.generation > 0 && handle.generation == row.generation - 1:
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
    func revoke(_ row: inout GrantRow) throws {
        row.status = .revoked
        row.pair = nil
        try update(row, isIndexUnchanged: true, guardedBy: Int64(row.generation))
    }
}
