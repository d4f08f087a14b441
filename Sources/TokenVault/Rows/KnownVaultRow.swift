import GRDB
import Synchronization
import VaultCore
import VaultCrypto

/// The vault row as last found authentic: the same columns with the same tag need no second look. Every check
/// of an access token reads the row, and it seldom changes between two of them.
final class KnownVaultRow: Sendable {
    private let last = Mutex<(row: VaultRow, tag: [UInt8])?>(nil)

    /// The row's columns, its tag, and the size of the log.
    static let columnCount = VaultRow.columnNames.count + 2

    /// The row whose columns and tag begin at column 0 of a query, with the size of the log behind them, and the keys
    /// that fit it.
    ///
    /// - Throws: ``VaultError/Code/integrity``.
    func read(
        _ cursor: RowCursor, _ database: Database, _ keys: LiveKeys, above floor: RegistryWatch.Floor
    ) throws -> (VaultRow, VaultKeys) {
        let row = try VaultRow(cursor, rowKey: nil)
        guard case .blob(let tag) = cursor.value(VaultRow.columnNames.count) else { throw VaultRow.damaged }
        let revision = try keys.watch.revision(
            database, number: row.registryRevision, logSize: cursor.integer(Self.columnCount - 1),
            above: floor)
        let keys = try keys.keys(for: database, revision: revision)
        let isKnown = last.withLock { last in last.map { $0.tag == tag && $0.row == row } ?? false }
        if isKnown { return (row, keys) }
        try row.check(tag, rowKey: keys.keyring.rows)
        last.withLock { $0 = (row, tag) }
        return (row, keys)
    }
}
