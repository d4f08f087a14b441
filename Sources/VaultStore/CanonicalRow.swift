package import VaultCrypto

/// A row as its tag and its leaf in the log see it: table (2) ‖ id (8) ‖ per column that is not null its number (1), a
/// type byte (1 integer, 2 text, 3 blob) and, for an integer, 8 bytes, for text and blobs a 4-byte length and the bytes.
/// All big endian. The columns that the log hashes come first, then the others, then `leaf` as number 255. Nulls are
/// left out, so that a column can be added without touching the tags there are.
/// Row hash (for the log) = SHA-256 of that up to the last column that is hashed.
/// Row tag = keyed BLAKE2b-256 of all of it.
///
/// Every read and write spells a row out, so it lies in memory of its own: an array asks for its owners at every byte. What
/// most rows need is so little that the allocator of each thread has it at hand.
package struct CanonicalRow: ~Copyable {
    @usableFromInline var memory: UnsafeMutableRawPointer
    @usableFromInline var capacity = 1024
    @usableFromInline var count = 0
    /// How many of the bytes the log's hash covers.
    package private(set) var hashed = 0

    /// - Parameter append: appends a column, by its index in the layout, under its number.
    @inline(__always)
    package init(
        _ layout: TableLayout, id: Int64, leaf: Int64?,
        _ append: (_ index: Int, _ number: UInt8, inout CanonicalRow) -> Void
    ) {
        memory = .allocate(byteCount: capacity, alignment: 8)
        self.append(bigEndian: layout.number)
        self.append(bigEndian: id)
        for index in layout.hashed { append(index, UInt8(truncatingIfNeeded: index + 1), &self) }
        hashed = count
        for index in layout.unhashed { append(index, UInt8(truncatingIfNeeded: index + 1), &self) }
        if let leaf { self.append(leaf, number: UInt8(TableLayout.leafNumber)) }
    }

    package init(_ layout: TableLayout, id: Int64, columns: [SQLValue], leaf: Int64?) {
        self.init(layout, id: id, leaf: leaf) { index, number, row in
            row.append(columns[index], number: number)
        }
    }

    deinit { memory.deallocate() }

    /// For those who keep them.
    package var bytes: [UInt8] { Array(raw) }

    package var hash: Digest { SHA256.hash(raw: UnsafeRawBufferPointer(rebasing: raw[..<hashed])) }

    package func tag(under key: RowKeys) -> [UInt8] { key.rowTag(over: raw) }

    package func isTagged(_ stored: [UInt8], under key: RowKeys) -> Bool {
        stored.withUnsafeBytes { key.isTag($0, of: raw) }
    }

    /// Whether the blob in a column of the row a query stands on is the tag of these bytes.
    package func isTagged(by cursor: RowCursor, _ column: Int, under key: RowKeys) -> Bool {
        cursor.withBlob(column) { stored in stored.map { key.isTag($0, of: raw) } ?? false }
    }

    /// Lies here as long as the row does, which no caller outside may rely on.
    private var raw: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: memory, count: count) }
}

extension CanonicalRow {
    @inlinable package mutating func append(_ integer: Int64, number: UInt8) {
        append(bigEndian: UInt16(number) << 8 | 1)
        append(bigEndian: integer)
    }

    package mutating func append(text: UnsafeRawBufferPointer, number: UInt8) {
        append(text, number: number, type: 2)
    }

    package mutating func append(blob: UnsafeRawBufferPointer, number: UInt8) {
        append(blob, number: number, type: 3)
    }

    package mutating func append(_ column: SQLValue, number: UInt8) {
        switch column {
        case .null: break
        case .integer(let value): append(value, number: number)
        case .text(var value):
            value.withUTF8 { append(text: UnsafeRawBufferPointer($0), number: number) }
        case .blob(let value): value.withUnsafeBytes { append(blob: $0, number: number) }
        }
    }

    private mutating func append(_ value: UnsafeRawBufferPointer, number: UInt8, type: UInt16) {
        append(bigEndian: UInt16(number) << 8 | type)
        append(bigEndian: UInt32(value.count))
        makeRoom(for: value.count)
        if let start = value.baseAddress { (memory + count).copyMemory(from: start, byteCount: value.count) }
        count += value.count
    }

    @inlinable mutating func append<Number: FixedWidthInteger & BitwiseCopyable>(bigEndian value: Number) {
        makeRoom(for: MemoryLayout<Number>.size)
        memory.storeBytes(of: value.bigEndian, toByteOffset: count, as: Number.self)
        count += MemoryLayout<Number>.size
    }

    @inlinable mutating func makeRoom(for more: Int) {
        if capacity - count < more { grow(by: more) }
    }

    @usableFromInline mutating func grow(by more: Int) {
        capacity = max(2 * capacity, count + more)
        let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 8)
        larger.copyMemory(from: memory, byteCount: count)
        memory.deallocate()
        memory = larger
    }
}
