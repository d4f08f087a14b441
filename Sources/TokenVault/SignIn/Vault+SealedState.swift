package import VaultCore
import VaultCrypto

/// State that a browser keeps for us, so that we need no row for it: sealed, with a purpose and an end.
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
        return try sealState(plaintext, table: SealedTable.sealedState)
    }

    /// What was sealed, or nil for anything that was not sealed by this vault for this purpose, or is over.
    package func unseal(_ value: SecretBytes, purpose: String) -> [UInt8]? {
        guard let plaintext = unsealState(value, table: SealedTable.sealedState) else { return nil }
        var reader = ByteReader(plaintext)
        guard let expiry: Int64 = reader.number(), let named = reader.counted(UInt16.self, limit: .max),
            named.elementsEqual(purpose.utf8),
            clock.now() < VaultInstant(millisecondsSince1970: expiry)
        else { return nil }
        return reader.rest
    }

    func sealState(_ plaintext: [UInt8], table: UInt16) throws -> SecretBytes {
        let record = try SealedField.seal(
            plaintext, under: keys.current.system.key, for: stateContext(table), padded: false,
            limit: Limits.sealedStateBytes)
        return SecretBytes(Base64URL.encode(record))
    }

    func unsealState(_ value: SecretBytes, table: UInt16) -> [UInt8]? {
        value.withExposed { text in
            guard text.count <= 2 * Limits.sealedStateBytes, let record = Base64URL.decode(text) else {
                return nil
            }
            return try? SealedField.open(
                record, with: keys.current.system.key, for: stateContext(table),
                limit: Limits.sealedStateBytes)
        }
    }

    private func stateContext(_ table: UInt16) -> AssociatedData {
        keyring.context(owner: .system, table: table, column: 1, row: 0)
    }
}
