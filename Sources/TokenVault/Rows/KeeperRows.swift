import VaultCore

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

/// One row of `webhooks`.
struct WebhookRow: Sendable {
    let id: Int64
    let url: String
    /// Sealed under the system's key.
    let secret: [UInt8]
    let createdAt: VaultInstant
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

extension WebhookRow: TypedRow {
    static let layout = TableLayout.webhooks

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        url = try columns.text()
        secret = try columns.blob()
        createdAt = try columns.instant()
    }

    var columns: [SQLValue] { [.text(url), .blob(secret), SQLValue(createdAt)] }
}
