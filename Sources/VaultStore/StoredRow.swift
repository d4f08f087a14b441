package import VaultCore
package import VaultCrypto

/// A row of a tagged table: its columns as values, in the order of its layout, and the leaf that names it.
package final class StoredRow: Sendable {
    package let layout: TableLayout
    package let id: Int64
    package let columns: [SQLValue]
    package let leaf: Int64
    package let tag: [UInt8]
    /// Of a row about to be written.
    private let ownHash: Digest?

    /// A row about to be written.
    package init(_ layout: TableLayout, id: Int64, columns: [SQLValue], leaf: Int64, rowKey: RowTags) throws {
        let canonical = CanonicalRow(layout, id: id, columns: columns, leaf: leaf)
        self.layout = layout
        self.id = id
        self.columns = columns
        self.leaf = leaf
        self.tag = try canonical.tag(under: rowKey.key(of: layout) { columns[$0] })
        ownHash = canonical.hash
    }

    /// The row a `selectSQL` query stands on (its first column at `offset`).
    ///
    /// - Throws: ``VaultError/Code/integrity`` when its tag is not the one its columns ask for,
    ///   ``VaultError/Code/denied`` for a row of a role whose keys are not held.
    package init(reading cursor: RowCursor, _ layout: TableLayout, rowKey: RowTags, at offset: Int = 0) throws
    {
        let count = layout.columns.count
        let id = cursor.integer(offset)
        let columns = cursor.values(from: offset + 1, to: offset + 1 + count)
        let leaf = cursor.integer(offset + 1 + count)
        guard case .blob(let stored) = cursor.value(offset + 2 + count) else {
            throw Self.edited(layout, id)
        }
        let canonical = CanonicalRow(layout, id: id, columns: columns, leaf: leaf)
        guard try canonical.isTagged(stored, under: rowKey.key(of: layout) { columns[$0] }) else {
            throw Self.edited(layout, id)
        }
        ownHash = nil
        self.layout = layout
        self.id = id
        self.columns = columns
        self.leaf = leaf
        self.tag = stored
        if layout.isOfRegistry, let roster = rowKey.roster {
            let hash = layout.isOfSet(id, columns) ? hash : nil
            try roster.check { try $0.check(layout, id, hash) }
        }
    }

    /// The row a `selectSQL` query stands on, whatever its tag: for `audit verify`, which names what is wrong.
    package init(unchecked cursor: RowCursor, _ layout: TableLayout) {
        let count = layout.columns.count
        self.layout = layout
        id = cursor.integer(0)
        columns = cursor.values(from: 1, to: 1 + count)
        leaf = cursor.integer(1 + count)
        if case .blob(let stored) = cursor.value(2 + count) { tag = stored } else { tag = [] }
        ownHash = nil
    }

    /// Checks the tag of the row a query stands on, without reading it into values.
    ///
    /// - Throws: ``VaultError/Code/integrity`` when its tag is not the one its columns ask for.
    package static func check(
        _ cursor: RowCursor, _ layout: TableLayout, rowKey: RowTags, at offset: Int
    ) throws {
        let count = layout.columns.count
        let canonical = CanonicalRow(
            layout, id: cursor.integer(offset), leaf: cursor.integer(offset + 1 + count)
        ) { index, number, bytes in cursor.append(offset + 1 + index, number: number, to: &bytes) }
        let key = try rowKey.key(of: layout) { cursor.value(offset + 1 + $0) }
        guard canonical.isTagged(by: cursor, offset + 2 + count, under: key) else {
            throw edited(layout, cursor.integer(offset))
        }
    }

    /// SHA-256 over the hashed columns: what the leaf says. Taken when asked for: most reads only check the
    /// tag.
    package var hash: Digest { ownHash ?? canonical.hash }

    /// Made when asked for: a batch keeps many rows, and their columns are enough.
    private var canonical: CanonicalRow { CanonicalRow(layout, id: id, columns: columns, leaf: leaf) }

    package subscript(column: String) -> SQLValue { columns[Int(layout.columnNumber(column)) - 1] }

    /// The value in one column of the layout, or in `leaf` or `row_tag`, which follow them.
    package func value(inColumn index: Int) -> SQLValue {
        if index < columns.count { return columns[index] }
        return index == columns.count ? .integer(leaf) : .blob(tag)
    }

    /// Nil: the row is of a role whose keys are not held.
    package func isTagged(by rowKey: RowTags) -> Bool? {
        (try? rowKey.key(of: layout) { columns[$0] }).map { canonical.isTagged(tag, under: $0) }
    }

    /// What to say of a row with another tag.
    package var isEdited: VaultError { Self.edited(layout, id) }

    private static func edited(_ layout: TableLayout, _ id: Int64) -> VaultError {
        VaultError(
            .integrity, "Row \(id) of \(layout.name) was changed from outside the vault.",
            remedy: "Verify the audit log to see what is affected, then restore a backup.")
    }
}
