import Foundation
import TokenRotation
package import VaultCore
import VaultCrypto

extension WriteTransaction {
    /// Inserts a grant that begins and stays at generation 1: an access token, no refresh token, gone after expiry.
    func issueAccessToken(
        _ kind: GrantKind, to client: Client, owner: OwnerID, scope: ScopeSet, context: GrantContext? = nil
    ) throws -> IssuedTokens {
        try purgeExpiredGrants()
        let id = GrantID(next(\.nextGrantID))
        let family = SystemRandom().bytes(TokenHandle.familySecretBytes)
        let token = keyring.handles.seal(
            TokenHandle(kind: .accessToken, grant: id, generation: 1, familySecret: family))
        let expiresAt = now.advanced(by: client.registration.lifetimes.accessToken)
        let sealedContext = try context.map {
            try seal(
                Array(try JSONEncoder().encode($0)), owner: owner, table: SealedTable.grants,
                column: GrantRow.contextColumn, row: id.rawValue)
        }
        try insert(
            GrantRow(
                id: id, client: client.id, owner: owner, ownerRevocations: try revocations(of: owner),
                clientRevocations: try revocations(of: client.id), kind: kind, createdAt: now,
                absoluteExpiresAt: expiresAt, scope: scope, context: sealedContext,
                familyTag: keyring.currentTags.tag(.familySecret, of: family),
                tagKeyID: Int64(keyring.currentTags.id), status: .live, generation: 1,
                idleExpiresAt: expiresAt, swappedAt: serving,
                access: AccessTokenSlot(
                    scope: scope, audience: nil, issuedAt: now, expiresAt: expiresAt,
                    tag: keyring.currentTags.tag(.token, of: token))))
        return IssuedTokens(
            pair: TokenPair(accessToken: token, refreshToken: nil), scope: scope, issuedAt: now,
            expiresAt: expiresAt, expiresIn: expiresAt.elapsed(since: now).components.seconds, grant: id,
            generation: 1, client: client.id, owner: owner, kind: kind, context: context)
    }
}

extension Vault {
    /// Issues an access token to a client for itself (RFC 6749 section 4.4): a grant of its own, no refresh token.
    ///
    /// - Parameter registryRevision: as in ``ExchangeRequest``.
    /// - Throws: ``VaultError/Code/denied`` when the client was disabled meanwhile.
    package func issueClientCredentials(
        to client: Client, scope: ScopeSet, channel: AuditChannel, requestID: String?,
        supersededSecret: UInt32? = nil, registryRevision: RegistryRevision? = nil
    ) async throws -> IssuedTokens {
        try await write { transaction in
            try transaction.expect(registryRevision: registryRevision)
            guard let client = try transaction.client(client.id), client.state == .active else {
                throw VaultError(.denied, "The client was disabled.")
            }
            let tokens = try transaction.issueAccessToken(
                .clientCredentials, to: client, owner: client.id, scope: scope)
            let actor = AuditActor(client.pseudonym, channel)
            let event = AuditEvent(
                .clientCredentials, by: actor, grant: tokens.grant, generation: tokens.generation,
                fingerprint: TokenFingerprint.of(tokens.pair.accessToken), requestID: requestID)
            return Audited(tokens, event)
                .noting(supersededSecret: supersededSecret, of: actor, requestID)
        }
    }

    /// Issues an access token to a user's client straight from the authorization endpoint (RFC 6749 section 4.2.2).
    ///
    /// - Throws: ``VaultError/Code/denied`` (disabled, or not registered for it), ``VaultError/Code/invalidInput``
    ///   (scope), ``VaultError/Code/notFound``.
    package func issueImplicit(
        to client: OwnerID, user: OwnerID, scope: ScopeSet, authenticationTime: VaultInstant? = nil,
        channel: AuditChannel = .http, requestID: String? = nil
    ) async throws -> IssuedTokens {
        try await write { transaction in
            guard let client = try transaction.client(client), client.state == .active,
                let owner = try transaction.owner(user), owner.row.kind == .user, owner.row.state == .active
            else { throw VaultError(.denied, "The client or the user was disabled.") }
            let types = client.registration.responseTypes
            guard types.contains(.token) || types.contains(.idTokenToken) else {
                throw VaultError(.denied, "The client is not registered for access tokens without a code.")
            }
            guard scope.isSubset(of: client.registration.scope) else {
                throw invalid("The client is not registered for this scope.")
            }
            var context = GrantContext()
            context.authenticationTime = authenticationTime?.secondsSince1970
            let tokens = try transaction.issueAccessToken(
                .implicit, to: client, owner: user, scope: scope, context: context)
            let event = AuditEvent(
                .implicit, by: AuditActor(owner.pseudonym, channel), subject: client.pseudonym,
                grant: tokens.grant, generation: tokens.generation,
                fingerprint: TokenFingerprint.of(tokens.pair.accessToken), requestID: requestID)
            return Audited(tokens, event)
        }
    }
}
