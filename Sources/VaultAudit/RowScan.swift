package import TokenVault
import VaultCore
import VaultCrypto
package import VaultStore

/// One pass over the rows: what each of them is now, for comparison with what the log says. Needs nothing of
/// the log, and so can be made beside the pass over the leaves.
package struct RowScan: Sendable {
    private(set) var tables: [(layout: TableLayout, rows: [RowReader.Row])] = []
    /// Empty without keys.
    private(set) var personal: [PersonalFact] = []

    /// - Parameter keyring: nil leaves out what needs keys.
    package init(_ database: Database, _ keyring: Keyring?) throws {
        for layout in TableLayout.tagged {
            // A copy of an older vault lacks the newer tables; rows of a table that was dropped turn out to be missing.
            guard try database.hasTable(layout.name) else { continue }
            let reader = RowReader(layout, keyring?.rows)
            let rows = try database.rows(layout.selectSQL + " ORDER BY id") { reader.read($0) }
            tables.append((layout, rows))
        }
        if let keyring { personal = try PersonalFact.read(database, keyring, from: .min) }
    }
}

/// Reads rows for their hash and their tag, without making values of their columns.
struct RowReader {
    struct Row: Sendable {
        let id, leaf: Int64
        let hash: Digest
        /// Nil: no key to tell with, or none of the row's role.
        let isTagged: Bool?
    }

    private let layout: TableLayout
    private let rowKey: RowTags?

    init(_ layout: TableLayout, _ rowKey: RowTags?) {
        self.layout = layout
        self.rowKey = rowKey
    }

    /// The row a `selectSQL` query stands on.
    func read(_ cursor: RowCursor) -> Row {
        let count = layout.columns.count
        let id = cursor.integer(0)
        let leaf = cursor.integer(1 + count)
        let canonical = CanonicalRow(layout, id: id, leaf: leaf) { index, number, row in
            cursor.append(1 + index, number: number, to: &row)
        }
        // Rows of a role whose keys are not held are judged by their hash alone.
        let key = try? rowKey?.key(of: layout) { cursor.value(1 + $0) }
        let isTagged = key.map { canonical.isTagged(by: cursor, 2 + count, under: $0) }
        return Row(id: id, leaf: leaf, hash: canonical.hash, isTagged: isTagged)
    }
}

extension RowScan {
    /// A pass over the rows on a thread and a connection of its own, beside the pass over the leaves. SQLite cannot be asked
    /// for a second reader of a snapshot, so another is begun, and what every write changes compared: where someone wrote in
    /// between, the rows are read after the leaves instead.
    ///
    /// - Parameter database: of a snapshot that was not read yet.
    /// - Returns: waits for the rows of that snapshot.
    static func beside(
        _ database: Database, _ store: any VaultStore, _ keyring: Keyring
    ) throws -> () throws -> RowScan {
        let (mark, rows) = (try mark(of: database), Handoff<RowScan?>())
        BlockingThread.run {
            rows.put(try? store.withOwnReader { try Self.mark(of: $0) == mark ? RowScan($0, keyring) : nil })
        }
        return { try rows.take() ?? RowScan(database, keyring) }
    }

    /// What tells two snapshots apart as far as verifying goes: the head of the log, and where it begins.
    private typealias Mark = (note: String?, first: Int64?)

    private static func mark(of database: Database) throws -> Mark {
        (
            try database.rows("SELECT note FROM audit_head WHERE id = 1") { $0.text(0) }.first,
            try database.integer("SELECT id FROM audit_leaves ORDER BY id LIMIT 1")
        )
    }
}
