package import VaultCore
import VaultCrypto

extension Vault {
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
            var event = AuditEvent(.implicit, by: AuditActor(owner.pseudonym, channel))
            event.subject = client.pseudonym
            event.grant = tokens.grant
            event.generation = tokens.generation
            event.requestID = requestID
            event.fingerprint = TokenFingerprint.of(tokens.pair.accessToken)
            return Audited(tokens, event)
        }
    }
}
