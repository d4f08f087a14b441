package import VaultCore
package import VaultCrypto

/// A row of a tagged table: its columns as values, in the order of its layout, and the leaf that names it.
///
/// Canonical bytes: table (2) ‖ id (8) ‖ per column that is not null its number (1), a type byte (1 integer, 2 text,
/// 3 blob) and, for an integer, 8 bytes, for text and blobs a 4-byte length and the bytes. All big endian. The columns
/// that the log hashes come first, then the others, then `leaf` as number 255.
/// Row hash (for the log) = SHA-256 of that up to the last column that is hashed.
/// Row tag = keyed BLAKE2b-256 of all of it.
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
        self.tag = try rowKey.key(of: layout) { columns[$0] }.rowTag(over: canonical.bytes)
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
        guard try rowKey.key(of: layout, { columns[$0] }).isTag(stored, of: canonical.bytes) else {
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
        var bytes: [UInt8] = []
        bytes.reserveCapacity(1536)
        _ = layout.appendCanonical(
            id: cursor.integer(offset), leaf: cursor.integer(offset + 1 + count), to: &bytes
        ) { index, number, bytes in cursor.append(offset + 1 + index, number: number, to: &bytes) }
        let key = try rowKey.key(of: layout) { cursor.value(offset + 1 + $0) }
        guard case .blob(let stored) = cursor.value(offset + 2 + count), key.isTag(stored, of: bytes)
        else { throw edited(layout, cursor.integer(offset)) }
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
        (try? rowKey.key(of: layout) { columns[$0] })?.isTag(tag, of: canonical.bytes)
    }

    /// What to say of a row with another tag.
    package var isEdited: VaultError { Self.edited(layout, id) }

    private static func edited(_ layout: TableLayout, _ id: Int64) -> VaultError {
        VaultError(
            .integrity, "Row \(id) of \(layout.name) was changed from outside the vault.",
            remedy: "Verify the audit log to see what is affected, then restore a backup.")
    }
}

/// The canonical bytes of a row, and how many of them the log's hash covers.
package struct CanonicalRow: Sendable {
    package private(set) var bytes: [UInt8] = []
    package let hashed: Int

    package init(_ layout: TableLayout, id: Int64, columns: [SQLValue], leaf: Int64?) {
        bytes.reserveCapacity(1536)
        hashed = layout.appendCanonical(id: id, leaf: leaf, to: &bytes) { index, number, bytes in
            bytes.append(columns[index], number: number)
        }
    }

    var hash: Digest {
        bytes.withUnsafeBytes { SHA256.hash(raw: UnsafeRawBufferPointer(rebasing: $0[..<hashed])) }
    }
}

extension [UInt8] {
    /// Appends the canonical bytes of a column: nothing for a null.
    package mutating func append(_ column: SQLValue, number: UInt8) {
        switch column {
        case .null: break
        case .integer(let value):
            append(number)
            append(1)
            append(bigEndian: value)
        case .text(let value):
            append(number)
            append(2)
            append(bigEndian: UInt32(value.utf8.count))
            append(contentsOf: value.utf8)
        case .blob(let value):
            append(number)
            append(3)
            append(bigEndian: UInt32(value.count))
            append(contentsOf: value)
        }
    }
}
