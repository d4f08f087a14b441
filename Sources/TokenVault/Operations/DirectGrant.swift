import Foundation
import TokenRotation
import VaultCore
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
                idleExpiresAt: expiresAt, swappedAt: serving, credentialTag: nil,
                previousCredentialTag: nil,
                access: AccessTokenSlot(
                    scope: scope, audience: nil, issuedAt: now, expiresAt: expiresAt,
                    tag: keyring.currentTags.tag(.token, of: token)),
                previousAccess: nil, pair: nil, firstUsedAt: nil))
        return IssuedTokens(
            pair: TokenPair(accessToken: token, refreshToken: nil), scope: scope, issuedAt: now,
            expiresAt: expiresAt, expiresIn: expiresAt.elapsed(since: now).components.seconds, grant: id,
            generation: 1, client: client.id, owner: owner, kind: kind, context: context)
    }
}
