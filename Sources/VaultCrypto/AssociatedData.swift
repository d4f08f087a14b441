package import VaultCore

/// Where a sealed record belongs, in one canonical spelling: a record that was moved does not open. `domain
/// 16 ‖ vault 16 ‖ owner 8 ‖ table 2 ‖ column 2 ‖ row 8 ‖ generation 8`, numbers big endian: 60 bytes.
package struct AssociatedData: Sendable {
    package static let byteCount = 60
    package let bytes: [UInt8]

    /// `domain` is at most 16 ASCII characters fixed in the code; columns that do not rotate use generation
    /// 0.
    package init(
        domain: String, vault: VaultID, owner: OwnerID, table: UInt16, column: UInt16, row: Int64,
        generation: UInt64
    ) {
        let name = domain.utf8
        precondition(
            name.count <= 16 && name.allSatisfy { $0 > 0 && $0 < 128 }, "a domain has 1 to 16 ASCII bytes")
        var bytes: [UInt8] = []
        bytes.reserveCapacity(Self.byteCount)
        bytes.append(contentsOf: name)
        for _ in name.count..<16 { bytes.append(0) }
        bytes.append(contentsOf: vault.bytes)
        bytes.appendBigEndian(owner.rawValue)
        bytes.appendBigEndian(table)
        bytes.appendBigEndian(column)
        bytes.appendBigEndian(row)
        bytes.appendBigEndian(generation)
        self.bytes = bytes
    }
}

extension [UInt8] {
    /// Appends `value`, most significant byte first.
    mutating func appendBigEndian(_ value: some FixedWidthInteger) {
        var shift = value.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

extension Collection<UInt8> {
    /// All bytes of the collection as one number, most significant first.
    func bigEndian<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
        reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }
}
