import Foundation
import TokenRotation
public import VaultCore
import VaultCrypto
import VaultStore

/// A user's consent to a client, about to become an authorization code.
public struct Authorization: Sendable {
    /// The two ways to say whose it is: as people name them, or as the vault does.
    enum Party: Sendable {
        case named(String)
        case id(OwnerID)
    }

    let client: Party
    let user: Party
    public var scope: ScopeSet
    /// The redirect URI that the client sent; nil if it sent none, which requires exactly one registered.
    public var redirectURI: String?
    /// PKCE challenge, method S256; required for public clients.
    public var codeChallenge: String?
    /// The nonce that the client sent; it is repeated in the id_token.
    public var nonce: String?
    /// What the tokens are meant for (RFC 8707): `aud` of each. Nil: no token of the grant is bound to a resource yet.
    public var resource: ResourceIdentifier?
    /// When the user signed in: `auth_time` in the id_token, at every refresh too.
    public var authenticationTime: VaultInstant?

    /// - Parameter client: its `client_id` or name.
    public init(
        client: String, user: String, scope: ScopeSet, redirectURI: String?, codeChallenge: String? = nil
    ) {
        self.client = .named(client)
        self.user = .named(user)
        self.scope = scope
        self.redirectURI = redirectURI
        self.codeChallenge = codeChallenge
    }

    /// Makes an authorization for a client and a user that were looked up before.
    public init(
        client: OwnerID, user: OwnerID, scope: ScopeSet, redirectURI: String?, codeChallenge: String? = nil
    ) {
        self.client = .id(client)
        self.user = .id(user)
        self.scope = scope
        self.redirectURI = redirectURI
        self.codeChallenge = codeChallenge
    }
}

/// An authorization code, shown once.
public struct AuthorizationCode: Sendable {
    public let code: SecretBytes
    /// The lifetime of the code in seconds.
    public let expiresIn: Int64
    public let grant: GrantID
}

extension Vault {
    /// Issues an authorization code: a grant at generation 0 (RFC 6749 section 4.1.2).
    ///
    /// - Parameter channel: the user did it, through this door; nil: the operator did, in the user's name.
    /// - Throws: ``VaultError/Code/notFound`` (client, user), ``VaultError/Code/denied`` (disabled, or not registered
    ///   for codes), ``VaultError/Code/invalidInput`` (redirect URI, scope, challenge).
    public func authorize(
        _ authorization: Authorization, through channel: AuditChannel? = nil, requestID: String? = nil
    ) async throws -> AuthorizationCode {
        let client =
            switch authorization.client {
            case .named(let name): try await clients.find(name)
            case .id(let id): try await clients.find(id)
            }
        let user =
            switch authorization.user {
            case .named(let name): try await users.find(name)
            case .id(let id): try await users.find(id)
            }
        let context = try check(authorization, client, user)
        return try await write { [operatorActor] transaction in
            guard let client = try transaction.client(client.id), client.state == .active,
                let owner = try transaction.owner(user.id), owner.row.state == .active
            else { throw VaultError(.denied, "The client or the user was disabled.") }
            try transaction.purgeExpiredGrants(through: channel ?? operatorActor.channel)
            let lifetimes = client.registration.lifetimes
            let codeEnds = transaction.now.advanced(by: lifetimes.authorizationCode)
            var (row, code, tag) = try transaction.newGrant(
                .authorizationCode, to: client, owner: user.id, scope: authorization.scope, context: context,
                .authorizationCode, generation: 0, until: codeEnds,
                absolutely: transaction.now.advanced(by: lifetimes.absolute))
            row.credentialTag = tag
            try transaction.insert(row)
            let id = row.id
            var event = AuditEvent(
                .grantAuthorize, by: channel.map { AuditActor(owner.pseudonym, $0) } ?? operatorActor,
                subject: channel == nil ? owner.pseudonym : client.pseudonym, grant: id, generation: 0,
                fingerprint: TokenFingerprint.of(code), requestID: requestID)
            event.creation = try transaction.countCreation(of: user.id)
            return Audited(
                AuthorizationCode(
                    code: code, expiresIn: lifetimes.authorizationCode.components.seconds, grant: id),
                event)
        }
    }

    private func check(_ authorization: Authorization, _ client: Client, _ user: User) throws -> GrantContext
    {
        let registration = client.registration
        guard client.state == .active, registration.grantTypes.contains(.authorizationCode),
            registration.responseTypes.contains(.code)
        else {
            throw VaultError(.denied, "The client is disabled, or not registered for authorization_code.")
        }
        guard user.state == .active else {
            throw VaultError(.denied, "The user is disabled.", remedy: "Enable the user.")
        }
        guard authorization.scope.isSubset(of: registration.scope) else {
            throw invalid("The client is registered for the scope '\(registration.scope.text)' only.")
        }
        if let uri = authorization.redirectURI {
            guard registration.accepts(redirectURI: uri) else {
                throw invalid("The redirect URI is not one the client has registered.")
            }
        } else {
            guard registration.redirectURIs.count == 1 else {
                throw invalid("The client has several redirect URIs: name the one to use.")
            }
        }
        if let challenge = authorization.codeChallenge {
            guard PKCE.isChallenge(challenge) else {
                throw invalid("A code challenge (S256) is 43 characters of base64url.")
            }
        } else if registration.isPublic {
            // RFC 9700 section 2.1.1: "Public clients MUST use PKCE".
            throw invalid("A public client needs a code challenge (PKCE, S256).")
        }
        guard authorization.nonce.map({ $0.utf8.count <= Limits.nonceBytes }) ?? true else {
            throw invalid("A nonce has at most \(Limits.nonceBytes) bytes.")
        }
        var context = GrantContext(
            redirectURI: authorization.redirectURI, codeChallenge: authorization.codeChallenge)
        context.nonce = authorization.nonce
        context.resource = authorization.resource?.text
        context.authenticationTime = authorization.authenticationTime?.secondsSince1970
        return context
    }
}

extension WriteTransaction {
    func revocations(of id: OwnerID) throws -> Int64 {
        try owner(id)?.row.revocations ?? 0
    }

    /// Deletes a few grants that expired more than a week ago, each with an entry of its own: anyone who creates one
    /// pays for the old ones. To be called before the body changes anything.
    fileprivate func purgeExpiredGrants(through channel: AuditChannel) throws {
        guard clocksAgree else { return }
        let day: Int64 = 86_400_000
        let last = now.advanced(by: .zero - Limits.expiredGrantRetention).millisecondsSince1970 / day
        let expired = try database.rows(
            "SELECT id FROM grants WHERE expires_day < ? ORDER BY expires_day LIMIT ?",
            [.integer(last), .integer(Int64(Limits.purgedGrantsPerIssue))]
        ) { $0.integer(0) }
        try purge(expired, through: channel) { $0.expiresDay < last }
    }

    /// Deletes those of the grants that have expired.
    fileprivate func purge(
        _ grants: [Int64], through channel: AuditChannel, where isOver: (GrantRow) -> Bool
    ) throws {
        guard clocksAgree, let system = try owner(.system)?.pseudonym else { return }
        for id in grants {
            // The columns that found it may have been edited: what the row itself says, under its tag, decides.
            guard let row = try? load(GrantRow.self, id)?.row, isOver(row) else { continue }
            try delete(.grants, id: id)
            // Of an erased owner nothing tells whose it was.
            let subject = try self.owner(row.owner)?.pseudonym
            log(AuditEvent(.grantPurge, by: AuditActor(system, channel), subject: subject, grant: row.id))
        }
    }

    /// A grant that begins, and its first token, which ends with it.
    ///
    /// - Returns: beside the row, which has no token yet, the token and its tag.
    fileprivate func newGrant(
        _ kind: GrantKind, to client: Client, owner: OwnerID, scope: ScopeSet, context: GrantContext?,
        _ tokenKind: TokenKind, generation: UInt32, until end: VaultInstant, absolutely last: VaultInstant
    ) throws -> (row: GrantRow, token: SecretBytes, tag: [UInt8]) {
        let id = GrantID(next(\.nextGrantID))
        let family = SystemRandom().bytes(TokenHandle.familySecretBytes)
        let tags = try keyring.issuerTags.current
        let token = try keyring.handles.seal(
            TokenHandle(
                kind: tokenKind, grant: id, generation: generation, familySecret: family, from: now,
                until: end))
        let sealed = try context.map {
            try seal(
                Array(try JSONEncoder().encode($0)), owner: owner, table: TableLayout.grants.number,
                column: GrantRow.contextColumn, row: id.rawValue)
        }
        let row = GrantRow(
            id: id, client: client.id, owner: owner, ownerRevocations: try revocations(of: owner),
            clientRevocations: try revocations(of: client.id), kind: kind, createdAt: now,
            absoluteExpiresAt: last, scope: scope, context: sealed,
            familyTag: tags.tag(.familySecret, of: family), tagKeyID: Int64(tags.id), status: .live,
            generation: generation, idleExpiresAt: end, swappedAt: serving)
        return (row, token, tags.tag(.token, of: token))
    }

    /// Inserts a grant that begins and stays at generation 1: an access token, no refresh token, gone after expiry.
    func issueAccessToken(
        _ kind: GrantKind, to client: Client, owner: OwnerID, scope: ScopeSet, context: GrantContext? = nil,
        for resource: ResourceIdentifier?, through channel: AuditChannel
    ) throws -> IssuedTokens {
        try purgeExpiredGrants(through: channel)
        let expiresAt = now.advanced(by: client.registration.lifetimes.accessToken)
        var (row, token, tag) = try newGrant(
            kind, to: client, owner: owner, scope: scope, context: context, .accessToken, generation: 1,
            until: expiresAt, absolutely: expiresAt)
        row.access = AccessTokenSlot(
            scope: scope, audience: resource?.text, issuedAt: now, expiresAt: expiresAt, tag: tag)
        try insert(row)
        return IssuedTokens(
            pair: TokenPair(accessToken: token, refreshToken: nil), scope: scope, issuedAt: now,
            expiresAt: expiresAt, expiresIn: expiresAt.elapsed(since: now).components.seconds, grant: row.id,
            generation: 1, client: client.id, owner: owner, kind: kind, context: context)
    }
}

extension Vault {
    /// Deletes codes that were not redeemed, some at a time, going through the grants by their numbers.
    ///
    /// - Parameter last: the grant that was looked at last; 0 begins with the oldest.
    /// - Returns: the grant to go on behind; `last` where there is nothing more for now.
    package func purgeUnredeemedCodes(after last: Int64) async throws -> Int64 {
        let end = clock.now().advanced(by: .zero - Limits.unredeemedCodeRetention).millisecondsSince1970
        var (seen, codes) = (last, [Int64]())
        try await snapshot { database, _ in
            try database.forEachRow(
                "SELECT id, kind, generation, created_at FROM grants WHERE id > ? ORDER BY id LIMIT ?",
                [.integer(last), .integer(Limits.examinedGrants)]
            ) { row in
                guard row.integer(3) < end else { return false }
                seen = row.integer(0)
                if row.integer(1) == GrantKind.authorizationCode.rawValue, row.integer(2) == 0 {
                    codes.append(seen)
                }
                return codes.count < Limits.purgedCodesPerWrite
            }
        }
        guard !codes.isEmpty else { return seen }
        let clocksAgree = try await queue.submit(.newWork) { [operatorActor, codes] transaction in
            try transaction.purge(codes, through: operatorActor.channel) {
                $0.kind == .authorizationCode && $0.generation == 0 && $0.idleExpiresAt < transaction.now
            }
            return .logged(transaction.clocksAgree)
        }
        return clocksAgree ? seen : last
    }

    /// Issues an access token to a client for itself (RFC 6749 section 4.4): a grant of its own, no refresh token.
    ///
    /// - Throws: ``VaultError/Code/denied`` when the client was disabled meanwhile.
    package func issueClientCredentials(
        to client: Client, scope: ScopeSet, for resource: ResourceIdentifier? = nil, channel: AuditChannel,
        requestID: String?, supersededSecret: UInt32? = nil
    ) async throws -> IssuedTokens {
        try await write { transaction in
            try transaction.expect(client.revision)
            guard let client = try transaction.client(client.id), client.state == .active else {
                throw VaultError(.denied, "The client was disabled.")
            }
            let tokens = try transaction.issueAccessToken(
                .clientCredentials, to: client, owner: client.id, scope: scope, for: resource,
                through: channel)
            let actor = AuditActor(client.pseudonym, channel)
            return Audited(tokens, tokens.event(.clientCredentials, by: actor, requestID))
                .noting(supersededSecret: supersededSecret, of: actor, requestID)
        }
    }

    /// Issues an access token to a user's client straight from the authorization endpoint (RFC 6749 section 4.2.2).
    ///
    /// - Throws: ``VaultError/Code/denied`` (disabled, or not registered for it), ``VaultError/Code/invalidInput``
    ///   (scope), ``VaultError/Code/notFound``.
    package func issueImplicit(
        to client: OwnerID, user: OwnerID, scope: ScopeSet, for resource: ResourceIdentifier? = nil,
        authenticationTime: VaultInstant? = nil, channel: AuditChannel = .http, requestID: String? = nil
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
                .implicit, to: client, owner: user, scope: scope, context: context, for: resource,
                through: channel)
            let actor = AuditActor(owner.pseudonym, channel)
            var event = tokens.event(.implicit, by: actor, subject: client.pseudonym, requestID)
            event.creation = try transaction.countCreation(of: user)
            return Audited(tokens, event)
        }
    }
}

extension IssuedTokens {
    fileprivate func event(
        _ operation: AuditOperation, by actor: AuditActor, subject: Pseudonym? = nil, _ requestID: String?
    ) -> AuditEvent {
        AuditEvent(
            operation, by: actor, subject: subject, grant: grant, generation: generation,
            fingerprint: TokenFingerprint.of(pair.accessToken), requestID: requestID)
    }
}
