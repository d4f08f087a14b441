import GRDB
import VaultCore
import VaultCrypto

/// One pass over the rows: what each of them is now, for comparison with what the log says. Needs nothing of
/// the log, and so can be made beside the pass over the leaves.
struct RowScan: Sendable {
    /// The rows of one table.
    struct Table: Sendable {
        let layout: TableLayout
        var rows: [RowReader.Row] = []
    }

    private(set) var tables: [Table] = []
    /// Empty without keys.
    private(set) var personal: [PersonalFact] = []

    /// - Parameter keyring: nil leaves out what needs keys.
    init(_ database: Database, _ keyring: Keyring?) throws {
        for layout in TableLayout.tagged {
            // A copy of an older vault lacks the newer tables; rows of a table that was dropped turn out to be missing.
            guard try database.tableExists(layout.name) else { continue }
            var table = Table(layout: layout)
            var reader = RowReader(layout, keyring?.rows)
            try database.forEachRow(layout.selectSQL + " ORDER BY id") { cursor in
                table.rows.append(reader.read(cursor))
                return true
            }
            tables.append(table)
        }
        if let keyring { personal = try PersonalFact.read(database, keyring, from: .min) }
    }
}

/// Reads rows for their hash and their tag, in one buffer, without making values of their columns.
struct RowReader {
    struct Row: Sendable {
        let id, leaf: Int64
        let hash: Digest
        /// Nil: no key to tell with.
        let isTagged: Bool?
    }

    private let layout: TableLayout
    private let rowKey: RowKeys?
    private var bytes: [UInt8] = []

    init(_ layout: TableLayout, _ rowKey: RowKeys?) {
        self.layout = layout
        self.rowKey = rowKey
        bytes.reserveCapacity(4096)
    }

    /// The row a `selectSQL` query stands on.
    mutating func read(_ cursor: RowCursor) -> Row {
        let count = layout.columns.count
        let id = cursor.integer(0)
        let leaf = cursor.integer(1 + count)
        bytes.removeAll(keepingCapacity: true)
        bytes.append(bigEndian: layout.number)
        bytes.append(bigEndian: id)
        for index in 1..<1 + count - layout.unhashed { cursor.append(index, to: &bytes) }
        let hash = bytes.withUnsafeBytes { SHA256.hash(raw: $0) }
        for index in 1 + count - layout.unhashed..<1 + count { cursor.append(index, to: &bytes) }
        bytes.append(bigEndian: leaf)
        let isTagged = rowKey.map { rowKey in
            cursor.withBlob(2 + count) { stored in
                stored.map { rowKey.isTag(Array($0), of: bytes) } ?? false
            }
        }
        return Row(id: id, leaf: leaf, hash: hash, isTagged: isTagged)
    }
}
