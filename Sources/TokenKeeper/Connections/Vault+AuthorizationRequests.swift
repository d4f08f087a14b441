import Foundation
import TokenVault
package import VaultCore
import VaultCrypto
import VaultStore

/// A consent that was begun: what is needed when the browser comes back.
package struct BegunAuthorization: Sendable {
    package let provider: ProviderID
    package let owner: OwnerID
    package let label: String
    package let redirectURI: String
    package let scope: String?
    /// Nil: the provider knows no PKCE.
    package let verifier: SecretBytes?
    package let nonce: String?
    /// Another account of the provider may take the place of the one that is connected.
    package let replacesAccount: Bool

    package init(
        provider: ProviderID, owner: OwnerID, label: String, redirectURI: String, scope: String?,
        verifier: SecretBytes?, nonce: String?, replacesAccount: Bool = false
    ) {
        self.provider = provider
        self.owner = owner
        self.label = label
        self.redirectURI = redirectURI
        self.scope = scope
        self.verifier = verifier
        self.nonce = nonce
        self.replacesAccount = replacesAccount
    }
}

extension Vault {
    /// Keeps a consent that begins: durable before the browser leaves, for one use.
    ///
    /// - Parameters:
    ///   - state: random, for the URL; only its tag is kept.
    ///   - session: what the caller binds it to, such as a value in the browser's own session.
    package func beginAuthorization(
        _ request: BegunAuthorization, state: SecretBytes, session: SecretBytes, lifetime: Duration
    ) async throws {
        guard lifetime > .zero, lifetime <= Limits.authorizationRequestLifetime else {
            throw invalid("A consent may take at most an hour.")
        }
        try LabelRules.check(request.label)
        guard session.withExposed({ (16...Limits.callbackValueBytes).contains($0.count) }) else {
            throw invalid("What binds a consent to a browser's session has 16 to 4096 bytes.")
        }
        let secrets = try RequestSecrets(request).encoded()
        try await write { [operatorActor] transaction in
            let keyring = transaction.keyring
            guard let owner = try transaction.owner(request.owner, sealingFor: .keeper),
                owner.row.state == .active
            else {
                throw VaultError(.denied, "The user is disabled or was removed.")
            }
            let id = transaction.next(\.nextGrantID)
            let sealed = try SealedField.seal(
                secrets, under: owner.key(.keeper),
                for: keyring.context(.authorizationRequests, "secrets", row: id, of: request.owner),
                padded: true)
            try transaction.insert(
                AuthorizationRequestRow(
                    id: id, provider: request.provider, owner: request.owner,
                    stateTag: try keyring.keeperTags.current.tag(.authorizationState, of: state),
                    sessionTag: try keyring.keeperTags.current.tag(.browserSession, of: session),
                    secrets: sealed,
                    expiresAt: transaction.now.advanced(by: lifetime)))
            if transaction.clocksAgree {
                for old in try transaction.database.loadAll(
                    AuthorizationRequestRow.self, where: "expires_at <= ? ORDER BY expires_at LIMIT ?",
                    [
                        .integer(transaction.now.millisecondsSince1970),
                        .integer(Int64(Limits.purgedRowsPerWrite)),
                    ], keyring)
                { try transaction.delete(.authorizationRequests, id: old.id) }
            }
            let subject = request.owner == .system ? nil : owner.pseudonym
            return Audited((), AuditEvent(.connectionBegin, by: operatorActor, subject: subject))
        }
    }

    /// Takes a consent that was begun, once: from now on its `state` is unknown.
    ///
    /// - Returns: nil for a `state` that was never given, was used, is over, or belongs to another session. Anyone who
    ///   brings another session's `state` cannot use it up.
    package func takeAuthorization(
        state: SecretBytes, session: SecretBytes
    ) async throws -> BegunAuthorization? {
        guard state.isShort, session.isShort else { return nil }
        // Anyone who makes states up takes no turn of the writer's.
        let isKnown = try await snapshot { database, keys in
            try database.authorizationRequest(state: state, keys.keyring) != nil
        }
        guard isKnown else {
            try await record(
                AuditEvent(.connectionCallback, .refused, by: operatorActor, reason: "unknown-state"))
            return nil
        }
        return try await queue.submit(.finishing) { [operatorActor] transaction in
            let keyring = transaction.keyring
            func refuse(_ reason: String, isLimited: Bool = true) -> Audited<BegunAuthorization?> {
                var event = AuditEvent(
                    .connectionCallback, .refused, by: operatorActor, reason: reason)
                event.isLimited = isLimited
                return Audited(nil, event)
            }
            guard let (row, key) = try transaction.database.authorizationRequest(state: state, keyring) else {
                return refuse("unknown-state")
            }
            guard ConstantTime.equal(row.sessionTag, key.tag(.browserSession, of: session)) else {
                return refuse("other-session")
            }
            try transaction.delete(.authorizationRequests, id: row.id)
            guard row.expiresAt > transaction.now, let owner = try transaction.owner(row.owner),
                owner.row.state == .active
            else { return refuse("state-expired", isLimited: false) }
            let bytes = try SealedField.open(
                row.secrets, with: owner.key(.keeper),
                for: keyring.context(.authorizationRequests, "secrets", row: row.id, of: row.owner))
            let secrets = try JSONDecoder().decode(RequestSecrets.self, from: Data(bytes))
            let subject = row.owner == .system ? nil : owner.pseudonym
            return Audited(
                secrets.request(row), AuditEvent(.connectionCallback, by: operatorActor, subject: subject))
        }
    }
}

/// What is sealed in the column `secrets`.
private struct RequestSecrets: Codable, Sendable {
    let label: String
    let redirectURI: String
    let scope: String?
    let verifier: [UInt8]?
    let nonce: String?
    /// Nil for false: most have no use for it.
    let replacesAccount: Bool?

    init(_ request: BegunAuthorization) {
        label = request.label
        redirectURI = request.redirectURI
        scope = request.scope
        verifier = request.verifier?.withExposed { $0 }
        nonce = request.nonce
        replacesAccount = request.replacesAccount ? true : nil
    }

    func encoded() throws -> [UInt8] { Array(try JSONEncoder().encode(self)) }

    func request(_ row: AuthorizationRequestRow) -> BegunAuthorization {
        BegunAuthorization(
            provider: row.provider, owner: row.owner, label: label, redirectURI: redirectURI, scope: scope,
            verifier: verifier.map { SecretBytes($0) }, nonce: nonce,
            replacesAccount: replacesAccount ?? false)
    }
}

extension SecretBytes {
    fileprivate var isShort: Bool { withExposed { $0.count <= Limits.callbackValueBytes } }
}

/// What the label of a connection may be.
enum LabelRules {
    static func check(_ label: String) throws {
        guard label.utf8.count <= Limits.labelBytes,
            label.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
        else { throw invalid("A label has at most \(Limits.labelBytes) bytes and no control characters.") }
    }
}

extension Database {
    /// A consent that was begun, and the key that tagged it: keys may have been rotated since.
    fileprivate func authorizationRequest(
        state: SecretBytes, _ keyring: Keyring
    ) throws -> (row: AuthorizationRequestRow, key: TagKey)? {
        for key in try keyring.keeperTags.all.values {
            let tag = key.tag(.authorizationState, of: state)
            if let row = try loadAll(
                AuthorizationRequestRow.self, where: "state_tag = ?", [.blob(tag)], keyring
            ).first {
                return (row, key)
            }
        }
        return nil
    }
}

/// One row of `authorization_requests`: a consent that was begun.
struct AuthorizationRequestRow: Sendable {
    let id: Int64
    let provider: ProviderID
    let owner: OwnerID
    let stateTag: [UInt8]
    let sessionTag: [UInt8]
    /// Sealed under the owner's key.
    let secrets: [UInt8]
    let expiresAt: VaultInstant
}

extension AuthorizationRequestRow: TypedRow {
    static let layout = TableLayout.authorizationRequests

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        provider = ProviderID(try columns.integer())
        owner = OwnerID(try columns.integer())
        stateTag = try columns.blob()
        sessionTag = try columns.blob()
        secrets = try columns.blob()
        expiresAt = try columns.instant()
    }

    var columns: [SQLValue] {
        [
            .integer(provider.rawValue), .integer(owner.rawValue), .blob(stateTag), .blob(sessionTag),
            .blob(secrets), SQLValue(expiresAt),
        ]
    }
}
