package import VaultCore
public import VaultStore

/// One row of `signing_keys`: a key that signs id_tokens, or did.
package struct SigningKeyRow: Sendable {
    package let id: Int64
    package let kid: String
    package let algorithm: SigningAlgorithm
    package var state: KeyState
    package let createdAt: VaultInstant
    package var publishedUntil: VaultInstant?
    /// Sealed under the system's key.
    package let privateKey: [UInt8]
    package let publicJWK: String

    package init(
        id: Int64, kid: String, algorithm: SigningAlgorithm, state: KeyState, createdAt: VaultInstant,
        publishedUntil: VaultInstant? = nil, privateKey: [UInt8], publicJWK: String
    ) {
        (
            self.id, self.kid, self.algorithm, self.state, self.createdAt, self.publishedUntil,
            self.privateKey, self.publicJWK
        ) = (id, kid, algorithm, state, createdAt, publishedUntil, privateKey, publicJWK)
    }
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
    package static let layout = TableLayout.signingKeys

    package init(_ row: StoredRow) throws {
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

    package var columns: [SQLValue] {
        [
            .text(kid), .text(algorithm.rawValue), .integer(state.rawValue), SQLValue(createdAt),
            SQLValue(publishedUntil), .blob(privateKey), .text(publicJWK),
        ]
    }
}

/// The state of a provider.
public enum ProviderState: Int64, Sendable {
    case active = 1
    /// It refuses our client, and is called now and then until it gives tokens; or it was changed before a restore, and is
    /// not called until an operator resumes it.
    case stopped = 2
}

/// One row of `providers`.
package struct ProviderRow: Sendable {
    package let id: ProviderID
    package var name: String
    package var state: ProviderState
    package var revision: Int64
    package var definition: String
    /// Sealed under the system's key.
    package var credentials: [UInt8]
    package let createdAt: VaultInstant

    package init(
        id: ProviderID, name: String, state: ProviderState, revision: Int64, definition: String,
        credentials: [UInt8], createdAt: VaultInstant
    ) {
        (self.id, self.name, self.state, self.revision, self.definition, self.credentials, self.createdAt) = (
            id, name, state, revision, definition, credentials, createdAt
        )
    }
}

extension ProviderRow: TypedRow {
    package static let layout = TableLayout.providers

    package init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = ProviderID(row.id)
        name = try columns.text()
        state = try columns.kind()
        revision = try columns.integer()
        definition = try columns.text()
        credentials = try columns.blob()
        createdAt = try columns.instant()
    }

    package var columns: [SQLValue] {
        [
            .text(name), .integer(state.rawValue), .integer(revision), .text(definition), .blob(credentials),
            SQLValue(createdAt),
        ]
    }
}
