public import VaultCore
public import VaultStore

/// A backup that the vault recorded: one row of `backups`.
public struct BackupRecord: Sendable {
    public let id: Int64
    public let backup: BackupID
    /// Entries in it; of one that was begun and not finished, how many it would have had at least.
    public internal(set) var logSize: Int64
    public let createdAt: VaultInstant
    /// The time it will be destroyed; nil if that is not known.
    public let keepUntil: VaultInstant?
}

extension BackupRecord: TypedRow {
    package static let layout = TableLayout.backups

    package init(_ row: StoredRow) throws {
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

    package var columns: [SQLValue] {
        [.blob(backup.bytes), .integer(logSize), SQLValue(createdAt), SQLValue(keepUntil)]
    }
}
