package import VaultCore
import VaultCrypto

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
            var event = AuditEvent(.clientCredentials, by: actor)
            event.grant = tokens.grant
            event.generation = tokens.generation
            event.requestID = requestID
            event.fingerprint = TokenFingerprint.of(tokens.pair.accessToken)
            return Audited(tokens, event)
                .noting(supersededSecret: supersededSecret, of: actor, requestID)
        }
    }
}
