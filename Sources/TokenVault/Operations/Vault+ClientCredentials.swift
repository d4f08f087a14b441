import TokenRotation
package import VaultCore
import VaultCrypto

extension Vault {
    /// Issues an access token to a client for itself (RFC 6749 section 4.4): a grant of its own, no refresh token.
    ///
    /// - Throws: ``VaultError/Code/denied`` when the client was disabled meanwhile.
    package func issueClientCredentials(
        to client: Client, scope: ScopeSet, channel: AuditChannel, requestID: String?,
        supersededSecret: UInt32? = nil
    ) async throws -> IssuedTokens {
        try await write { [keyring] transaction in
            guard let client = try transaction.client(client.id), client.state == .active else {
                throw VaultError(.denied, "The client was disabled.")
            }
            try transaction.purgeExpiredGrants()
            let now = transaction.now
            let id = GrantID(transaction.next(\.nextGrantID))
            let family = SystemRandom().bytes(TokenHandle.familySecretBytes)
            let token = keyring.handles.seal(
                TokenHandle(kind: .accessToken, grant: id, generation: 1, familySecret: family))
            let expiresAt = now.advanced(by: client.registration.lifetimes.accessToken)
            let revocations = try transaction.revocations(of: client.id)
            try transaction.insert(
                GrantRow(
                    id: id, client: client.id, owner: client.id, ownerRevocations: revocations,
                    clientRevocations: revocations, kind: .clientCredentials, createdAt: now,
                    absoluteExpiresAt: expiresAt, scope: scope, context: nil,
                    familyTag: keyring.currentTags.tag(.familySecret, of: family),
                    tagKeyID: Int64(keyring.currentTags.id), status: .live, generation: 1,
                    idleExpiresAt: expiresAt, swappedAt: transaction.serving, credentialTag: nil,
                    previousCredentialTag: nil,
                    access: AccessTokenSlot(
                        scope: scope, audience: nil, issuedAt: now, expiresAt: expiresAt,
                        tag: keyring.currentTags.tag(.token, of: token)),
                    previousAccess: nil, pair: nil, firstUsedAt: nil))
            let actor = AuditActor(client.pseudonym, channel)
            var event = AuditEvent(.clientCredentials, by: actor)
            event.grant = id
            event.generation = 1
            event.requestID = requestID
            event.fingerprint = TokenFingerprint.of(token)
            return Audited(
                IssuedTokens(
                    pair: TokenPair(accessToken: token, refreshToken: nil), scope: scope, issuedAt: now,
                    expiresAt: expiresAt, expiresIn: expiresAt.elapsed(since: now).components.seconds,
                    grant: id,
                    generation: 1), event
            ).noting(supersededSecret: supersededSecret, of: actor, requestID)
        }
    }
}
