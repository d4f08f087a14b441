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
        bytes.append(bigEndian: owner.rawValue)
        bytes.append(bigEndian: table)
        bytes.append(bigEndian: column)
        bytes.append(bigEndian: row)
        bytes.append(bigEndian: generation)
        self.bytes = bytes
    }
}
