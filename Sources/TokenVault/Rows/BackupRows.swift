import VaultCore

/// One row of `backups`: that a backup was begun, and until when it is kept.
struct BackupRow: Sendable {
    let id: Int64
    let backup: BackupID
    /// Entries in it; of one that was begun and not finished, how many it would have had at least.
    var logSize: Int64
    let createdAt: VaultInstant
    /// Nil: nobody said when it will be destroyed.
    var keepUntil: VaultInstant?
}

/// One row of `incarnations`: that the vault was restored, and from where its log goes on.
struct IncarnationRow: Sendable {
    /// Of an ``Incarnation``; the first has no row.
    let id: Int64
    let parentSize: Int64
    let parentRoot: [UInt8]
    let restoredAt: VaultInstant
}

extension BackupRow: TypedRow {
    static let layout = TableLayout.backups

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        guard let backup = BackupID(bytes: try columns.blob()) else {
            throw VaultError(.integrity, "A backup's identifier has the wrong length.")
        }
        self.backup = backup
        logSize = try columns.integer()
        createdAt = try columns.instant()
        keepUntil = try columns.optionalInstant()
    }

    var columns: [SQLValue] {
        [.blob(backup.bytes), .integer(logSize), SQLValue(createdAt), SQLValue(keepUntil)]
    }
}

extension IncarnationRow: TypedRow {
    static let layout = TableLayout.incarnations

    init(_ row: StoredRow) throws {
        var columns = ColumnReader(row)
        id = row.id
        parentSize = try columns.integer()
        parentRoot = try columns.blob()
        restoredAt = try columns.instant()
    }

    var columns: [SQLValue] { [.integer(parentSize), .blob(parentRoot), SQLValue(restoredAt)] }
}
