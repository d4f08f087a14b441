import TokenVault
import VaultCore
import VaultStore

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

extension SigningKeyRow: TypedRow {
    static let layout = TableLayout.signingKeys

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        kid = try columns.text()
        algorithm = try columns.kind()
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
