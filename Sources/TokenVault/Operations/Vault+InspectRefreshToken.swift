import GRDB
import TokenRotation
package import VaultCore
import VaultCrypto

/// What a refresh token that would be accepted now stands for.
package struct ValidRefreshToken: Sendable {
    package let grant: GrantID
    package let generation: UInt32
    package let client: OwnerID
    package let owner: OwnerID
    package let kind: GrantKind
    /// Of the grant: what a refresh may ask for.
    package let scope: ScopeSet
    package let issuedAt: VaultInstant
    /// When it ends if it is not used until then.
    package let expiresAt: VaultInstant
}

extension Vault {
    /// Looks at a refresh token without spending it, for introspection (RFC 7662 section 2). Nil for all but
    /// the newest of a living grant: the one before it may be repeated for a moment, and is no token to rely
    /// on. Closes no retry window: only use does.
    package func inspectRefreshToken(_ token: SecretBytes) throws -> ValidRefreshToken? {
        guard let handle = try openHandle(token, as: .refreshToken) else { return nil }
        let now = clock.now()
        let found: ValidRefreshToken?? = try snapshot { [registry] database, keys in
            let keyring = keys.keyring
            let revision = try keys.checkedRevision(database)
            guard let row = try database.load(GrantRow.self, handle.grant.rawValue, keyring)?.row else {
                return nil
            }
            let proof = try HandleProof(handle, familyTag: row.familyTag, tagKeyID: row.tagKeyID, keyring)
            if handle.generation > row.generation, proof.isFamilyProven, row.status == .live {
                throw try database.isBehind()
            }
            guard row.generation == handle.generation, row.status == .live, let access = row.access,
                let client = try registry.owner(row.client, database, keyring, revision: revision),
                client.row.state == .active
            else { return .some(nil) }
            let owner = try registry.owner(row.owner, database, keyring, revision: revision)
            let standing = OwnerStanding(row, owner: owner, clientRevocations: client.row.revocations)
            let expiresAt = min(row.idleExpiresAt, row.absoluteExpiresAt)
            guard proof.isFamilyProven, proof.isToken(token, row.credentialTag), standing == .good,
                now < expiresAt
            else { return .some(nil) }
            return ValidRefreshToken(
                grant: row.id, generation: row.generation, client: row.client, owner: row.owner,
                kind: row.kind, scope: row.scope, issuedAt: access.issuedAt, expiresAt: expiresAt)
        }
        guard let found else {
            if try isAhead(handle.grant) { throw databaseIsBehind }
            return nil
        }
        return found
    }
}
