import TokenRotation
public import VaultCore
import VaultCrypto
import VaultStore

/// The grant, scope and times of a valid token.
public struct ValidToken: Sendable {
    public let grant: GrantID
    public let generation: UInt32
    /// The client it was issued to.
    public let client: OwnerID
    /// The user, or the client itself for client credentials.
    public let owner: OwnerID
    public let kind: GrantKind
    public let scope: ScopeSet
    public let audience: String?
    public let issuedAt: VaultInstant
    public let expiresAt: VaultInstant
}

extension Vault {
    /// Checks an access token against the database as of now: no lock, no write, nothing to wait for.
    /// Revocation by any process is seen at once. Nil: not valid, for whatever reason. The first valid use of
    /// a pair closes its retry window.
    ///
    /// - Throws: ``VaultError/Code/integrity`` for an edited row, ``VaultError/Code/ioFailure``.
    public func validate(_ accessToken: SecretBytes) async throws -> ValidToken? {
        try await validate(accessToken, for: nil)
    }

    /// The same for a client: a token that it may not see counts as not valid, and as not used.
    package func validate(_ accessToken: SecretBytes, for caller: Client.Sight?) async throws -> ValidToken? {
        guard let handle = try await openHandle(accessToken, as: .accessToken) else { return nil }
        let (now, floor) = (clock.now(), liveKeys.floor)
        let question = StoreQuestion(Self.validationSQL, [.integer(handle.grant.rawValue)])
        let found = try await row(question) { [self] database, cursor -> ValidToken? in
            let known = knownVaultRow.row(in: cursor)
            let found = try known ?? KnownVaultRow.Known(database)
            let vault = found.row
            let keys = try liveKeys.keys(
                for: database, vault.stamp, logSize: cursor.integer(1), above: floor, LastCommit(database)
            )
            if known == nil { try knownVaultRow.keep(found, keys.keyring.rows) }
            let row = try AccessTokenRow(
                reading: cursor, at: 2, presented: handle.generation, rowKey: keys.keyring.rows)
            return try judge(handle, accessToken, row, vault, database, keys, now, caller)
        }
        guard let found else {
            if try await isAhead(handle) { throw await databaseIsBehind() }
            return nil
        }
        return found
    }

    private func judge(
        _ handle: TokenHandle, _ accessToken: SecretBytes, _ row: borrowing AccessTokenRow, _ vault: VaultRow,
        _ database: Database, _ keys: SnapshotKeys, _ now: VaultInstant, _ caller: Client.Sight?
    ) throws -> ValidToken? {
        let (keyring, revision) = (keys.keyring, keys.revision)
        let owner = try registry.owner(row.owner, database, keyring, revision: revision)
        guard let clientOwner = try registry.owner(row.client, database, keyring, revision: revision),
            clientOwner.row.state == .active
        else { return nil }
        let proof = try HandleProof(handle, familyTag: row.familyTag, tagKeyID: row.tagKeyID, keyring)
        if handle.generation > row.generation, proof.isFamilyProven, row.status == .live {
            throw try isBehind(database)
        }
        guard let slot = row.slot else { return nil }
        let standing = OwnerStanding(
            owner, ownerRevocations: row.ownerRevocations,
            isRevokedByClient: clientOwner.row.revocations > row.clientRevocations)
        let refusal = AccessTokenRules.judge(
            generation: handle.generation, current: row.generation, isFamilyProven: proof.isFamilyProven,
            isTokenProven: proof.isToken(accessToken, slot.tag), status: row.status, owner: standing,
            expiresAt: slot.expiresAt, now: now)
        guard refusal == nil else { return nil }
        if let caller {
            guard caller.seesAll || row.client == caller.id else { return nil }
            guard caller.revision == nil || caller.revision == revision else { throw Overtaken() }
        }
        if handle.generation == row.generation, row.awaitsFirstUse {
            let age = vault.serving(at: now).elapsed(since: row.swappedAt)
            if age < Limits.retryWindow { firstUses.note(row.grant, row.generation, at: now) }
        }
        return ValidToken(
            grant: row.grant, generation: handle.generation, client: row.client, owner: row.owner,
            kind: row.kind, scope: slot.scope, audience: slot.audience, issuedAt: slot.issuedAt,
            expiresAt: slot.expiresAt)
    }

    /// The vault row's tag, the size of the log, and the grant, in one snapshot.
    static let validationSQL =
        "SELECT vault.row_tag, (SELECT size FROM audit_head WHERE id = 1), grants.id, "
        + (TableLayout.grants.columns + ["leaf", "row_tag"]).map { "grants.\($0)" }.joined(separator: ", ")
        + " FROM grants, vault WHERE grants.id = ? AND vault.id = 1"

    /// Looks at a refresh token without spending it, for introspection (RFC 7662 section 2). Nil for all but
    /// the newest of a living grant: the one before it may be repeated for a moment, and is no token to rely
    /// on. Closes no retry window: only use does.
    package func inspectRefreshToken(_ token: SecretBytes) async throws -> ValidToken? {
        guard let handle = try await openHandle(token, as: .refreshToken) else { return nil }
        let now = clock.now()
        let found: ValidToken?? = try await snapshot { [self] database, keys in
            let keyring = keys.keyring
            let revision = try keys.checkedRevision(database)
            guard let row = try database.load(GrantRow.self, handle.grant.rawValue, keyring)?.row else {
                return nil
            }
            let proof = try HandleProof(handle, familyTag: row.familyTag, tagKeyID: row.tagKeyID, keyring)
            if handle.generation > row.generation, proof.isFamilyProven, row.status == .live {
                throw try isBehind(database)
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
            return ValidToken(
                grant: row.id, generation: row.generation, client: row.client, owner: row.owner,
                kind: row.kind, scope: row.scope, audience: nil, issuedAt: access.issuedAt,
                expiresAt: expiresAt)
        }
        guard let found else {
            if try await isAhead(handle) { throw await databaseIsBehind() }
            return nil
        }
        return found
    }
}
