import VaultCore
import VaultStore

/// One row of `webhooks`.
struct WebhookRow: Sendable {
    let id: Int64
    let url: String
    /// Sealed under the system's key.
    let secret: [UInt8]
    let createdAt: VaultInstant
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
