package import VaultCore
import VaultCrypto

/// Values that a browser keeps for us, so that we need no row for them: sealed, with a purpose and an end.
///
/// ```
/// plaintext = expiry i64 ‖ length of purpose u16 ‖ purpose ‖ bytes        numbers big endian
/// text      = base64url(sealed field of the system, table 13, column 1, row 0)
/// ```
extension Vault {
    /// Seals `bytes` for whoever asks for the same `purpose` within `lifetime`; touches no disk.
    ///
    /// - Returns: characters of base64url.
    package func sealed(_ bytes: [UInt8], purpose: String, lifetime: Duration) throws -> SecretBytes {
        var plaintext: [UInt8] = []
        plaintext.append(bigEndian: clock.now().advanced(by: lifetime).millisecondsSince1970)
        plaintext.append(bigEndian: UInt16(truncatingIfNeeded: purpose.utf8.count))
        plaintext += purpose.utf8
        plaintext += bytes
        return try lend(plaintext, table: SealedTable.lentValues)
    }

    /// What was sealed, or nil for anything that was not sealed by this vault for this purpose, or is over.
    package func unseal(_ value: SecretBytes, purpose: String) -> [UInt8]? {
        guard let plaintext = takeBack(value, table: SealedTable.lentValues) else { return nil }
        var reader = LentReader(plaintext)
        guard let expiry: Int64 = reader.number(), let count: UInt16 = reader.number(),
            let named = reader.bytes(Int(count)), named.elementsEqual(purpose.utf8),
            clock.now() < VaultInstant(millisecondsSince1970: expiry)
        else { return nil }
        return reader.rest
    }

    func lend(_ plaintext: [UInt8], table: UInt16) throws -> SecretBytes {
        let record = try SealedField.seal(
            plaintext, under: keys.current.system.key, for: lentContext(table), padded: false,
            limit: Limits.lentValueBytes)
        return SecretBytes(Base64URL.encode(record))
    }

    func takeBack(_ value: SecretBytes, table: UInt16) -> [UInt8]? {
        value.withExposed { text in
            guard text.count <= 2 * Limits.lentValueBytes, let record = Base64URL.decode(text) else {
                return nil
            }
            return try? SealedField.open(
                record, with: keys.current.system.key, for: lentContext(table), limit: Limits.lentValueBytes)
        }
    }

    private func lentContext(_ table: UInt16) -> AssociatedData {
        keyring.context(owner: .system, table: table, column: 1, row: 0)
    }
}

/// Takes numbers and octets off the front of a value that was authentic.
struct LentReader {
    private(set) var rest: [UInt8]

    init(_ bytes: [UInt8]) { rest = bytes }

    mutating func number<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        bytes(Value.bitWidth / 8).map { $0.reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) } }
    }

    mutating func bytes(_ count: Int) -> [UInt8]? {
        guard rest.count >= count else { return nil }
        defer { rest.removeFirst(count) }
        return Array(rest.prefix(count))
    }
}
