import VaultCore

/// One row of `clients`: the registration of the owner with the same id.
struct ClientRow: Sendable {
    let id: OwnerID
    var nameTag: [UInt8]?
    /// JSON of ``ClientRegistration``, keys sorted.
    var registration: String
}

/// One row of `client_secrets`: the tag of a secret and when it is accepted.
struct ClientSecretRow: Sendable {
    let id: Int64
    let client: OwnerID
    /// 1 for the client's first secret.
    let generation: Int64
    let tag: [UInt8]
    let tagKeyID: Int64
    let notBefore: VaultInstant
    var notAfter: VaultInstant?
}

extension ClientRow: TypedRow {
    static let layout = TableLayout.clients

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = OwnerID(row.id)
        nameTag = try columns.optionalBlob()
        registration = try columns.text()
    }

    var rowID: Int64 { id.rawValue }
    var columns: [SQLValue] { [SQLValue(nameTag), .text(registration)] }
}

extension ClientSecretRow: TypedRow {
    static let layout = TableLayout.clientSecrets

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        client = OwnerID(try columns.integer())
        generation = try columns.integer()
        tag = try columns.blob()
        tagKeyID = try columns.integer()
        notBefore = try columns.instant()
        notAfter = try columns.optionalInstant()
    }

    var rowID: Int64 { id }

    var columns: [SQLValue] {
        [
            .integer(client.rawValue), .integer(generation), .blob(tag), .integer(tagKeyID),
            SQLValue(notBefore),
            SQLValue(notAfter),
        ]
    }
}
