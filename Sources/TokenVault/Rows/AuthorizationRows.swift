import VaultCore
public import VaultStore

/// One row of `signing_keys`: a key that signs id_tokens, or did.
struct SigningKeyRow: Sendable {
    let id: Int64
    let kid: String
    let algorithm: SigningAlgorithm
    var state: KeyState
    let createdAt: VaultInstant
    var publishedUntil: VaultInstant?
    /// Sealed under the system's key.
    let privateKey: [UInt8]
    let publicJWK: String
}

/// One row of `passwords`: what a user's password is checked against.
struct PasswordRow: Sendable {
    let user: OwnerID
    var version: Int64
    /// Sealed under the user's key; nil: there is no password.
    var verifier: [UInt8]?
    var changedAt: VaultInstant
}

extension Consent: TypedRow {
    package static let layout = TableLayout.consents

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        user = OwnerID(try columns.integer())
        client = OwnerID(try columns.integer())
        scope = try columns.scope()
        grantedAt = try columns.instant()
    }

    package var columns: [SQLValue] {
        [.integer(user.rawValue), .integer(client.rawValue), .text(scope.text), SQLValue(grantedAt)]
    }
}

extension SigningKeyRow: TypedRow {
    static let layout = TableLayout.signingKeys

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        kid = try columns.text()
        let name = try columns.text()
        guard let algorithm = SigningAlgorithm(rawValue: name) else {
            throw VaultError(
                .integrity, "Signing key \(row.id) is for an algorithm this version does not know.",
                remedy: "If a newer TokenVault wrote it, use that version.")
        }
        self.algorithm = algorithm
        state = try columns.kind()
        createdAt = try columns.instant()
        publishedUntil = try columns.optionalInstant()
        privateKey = try columns.blob()
        publicJWK = try columns.text()
    }

    var columns: [SQLValue] {
        [
            .text(kid), .text(algorithm.rawValue), .integer(state.rawValue), SQLValue(createdAt),
            SQLValue(publishedUntil), .blob(privateKey), .text(publicJWK),
        ]
    }
}

extension PasswordRow: TypedRow {
    static let layout = TableLayout.passwords

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        user = OwnerID(row.id)
        version = try columns.integer()
        verifier = try columns.optionalBlob()
        changedAt = try columns.instant()
    }

    var id: OwnerID { user }
    var columns: [SQLValue] { [.integer(version), SQLValue(verifier), SQLValue(changedAt)] }
}

/// Whether a provider is called.
public enum ProviderState: Int64, Sendable {
    case active = 1
    /// It refuses our client, and is called now and then until it gives tokens; or it was changed before a restore, and is
    /// not called until an operator resumes it.
    case stopped = 2
}

/// One row of `providers`.
struct ProviderRow: Sendable {
    let id: ProviderID
    var name: String
    var state: ProviderState
    var revision: Int64
    var definition: String
    /// Sealed under the system's key.
    var credentials: [UInt8]
    let createdAt: VaultInstant
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

extension ProviderRow: TypedRow {
    static let layout = TableLayout.providers

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = ProviderID(row.id)
        name = try columns.text()
        state = try columns.kind()
        revision = try columns.integer()
        definition = try columns.text()
        credentials = try columns.blob()
        createdAt = try columns.instant()
    }

    var columns: [SQLValue] {
        [
            .text(name), .integer(state.rawValue), .integer(revision), .text(definition), .blob(credentials),
            SQLValue(createdAt),
        ]
    }
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
