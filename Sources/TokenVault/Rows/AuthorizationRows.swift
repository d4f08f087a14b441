package import VaultCore
public import VaultStore

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
