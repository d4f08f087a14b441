import VaultCore

/// Sums up a set of rows in 32 bytes, so that a row is put in or taken out without reading the others.
///
/// ```
/// hash = BLAKE2b-256(key, 0 ‖ nonce) ⊕ for each row: BLAKE2b-256(key, 1 ‖ table ‖ id ‖ row hash)
/// ```
///
/// Under another nonce for each change, hashes of two sets disclose nothing about their difference; without, a reader of
/// enough of them could make the hash of a set that never was.
package struct RowSetKey: Sendable {
    private static let personal = Personal("TokenVault.rset1")
    private let key: GuardedKey

    package init(_ key: GuardedKey) { self.key = key }

    /// What a row adds to the sum of its set.
    package func element(table: UInt16, id: Int64, hash: Digest) -> Digest {
        var input: [UInt8] = [1]
        input.append(bigEndian: table)
        input.append(bigEndian: id)
        return prf(input + hash.bytes)
    }

    /// The hash of a set with this sum, and the sum of a set with this hash.
    package func mask(_ sum: Digest, nonce: [UInt8]) -> Digest { sum ^ prf([0] + nonce) }

    private func prf(_ input: [UInt8]) -> Digest {
        Digest(unchecked: BLAKE2b.hash(input, count: Digest.byteCount, key: key, personal: Self.personal))
    }
}
