import CSodium
package import VaultCore

/// Suite 1, shared by sealed fields and wraps: XChaCha20-Poly1305-IETF in a record that commits to its key.
///
/// ```
///  0  1  format version 0x01      1  1  suite 0x01      2  2  flags      4  4  key version BE
///  8 24  nonce                   32 32  commitment C   64  n  ciphertext      64+n 16  tag
/// okm = BLAKE2b-512(key, personal, header[0..<32] ‖ LE64(len AAD) ‖ AAD)
/// record key = okm[0..<32]   C = okm[32..<64]   AD of the AEAD = header ‖ C
/// ```
///
/// Poly1305 does not bind a ciphertext to one key: a holder of two keys can build one that both open. `C`
/// does, because two keys with the same `C` are a collision of BLAKE2b.
enum CommittingRecord {
    static let overhead = 80
    static let nonceBytes = 24
    static let headerBytes = 32
    /// Where the ciphertext begins, behind header and commitment.
    static let bodyOffset = 64
    static let tagBytes = 16

    /// Why a record did not open. Callers outside this module hear one word; a keyslot tells the second from
    /// the rest.
    enum Failure: Error { case malformed, anotherKey, damaged }

    /// Writes bytes 0 ..< 8, and 8 ..< 32 unless a nonce is to be drawn.
    static func writeHeader(
        to record: UnsafeMutablePointer<UInt8>, flags: UInt16, keyVersion: UInt32, nonce: [UInt8]?
    ) {
        unsafe record[0] = 1
        unsafe record[1] = 1
        unsafe record[2] = UInt8(truncatingIfNeeded: flags >> 8)
        unsafe record[3] = UInt8(truncatingIfNeeded: flags)
        for index in 0..<4 {
            unsafe record[4 + index] = UInt8(truncatingIfNeeded: keyVersion >> UInt32(24 - 8 * index))
        }
        unsafe write(nonce: nonce, to: record.advanced(by: 8))
    }

    /// Writes `nonce`, or draws one where it is nil.
    static func write(nonce: [UInt8]?, to target: UnsafeMutablePointer<UInt8>) {
        guard let nonce else { return unsafe randombytes_buf(target, nonceBytes) }
        precondition(nonce.count == nonceBytes, "a nonce has 24 bytes")
        unsafe target.update(from: nonce, count: nonceBytes)
    }

    /// Encrypts the `count` bytes that lie at ``bodyOffset`` of `record`, behind a finished header.
    static func seal(
        _ record: UnsafeMutablePointer<UInt8>, count: Int, under key: GuardedKey, personal: Personal,
        data: AssociatedData
    ) {
        unsafe withDerivedKeys(of: key, header: record, personal: personal, data: data) { okm in
            unsafe record.advanced(by: headerBytes).update(from: okm.advanced(by: 32), count: 32)
            let body = unsafe record.advanced(by: bodyOffset)
            // libsodium allows input and output at one address.
            unsafe crypto_aead_xchacha20poly1305_ietf_encrypt(
                body, nil, body, UInt64(count), record, UInt64(bodyOffset), nil, record.advanced(by: 8), okm)
        }
    }

    /// Decrypts the body into `output`, which has room for `record.count - overhead` bytes.
    static func open(
        _ record: UnsafeBufferPointer<UInt8>, into output: UnsafeMutablePointer<UInt8>?, with key: GuardedKey,
        personal: Personal, data: AssociatedData
    ) -> Failure? {
        guard let base = record.baseAddress, record.count >= overhead,
            unsafe base[0] == 1, unsafe base[1] == 1
        else { return .malformed }
        return unsafe withDerivedKeys(of: key, header: base, personal: personal, data: data) { okm in
            guard unsafe crypto_verify_32(base.advanced(by: headerBytes), okm.advanced(by: 32)) == 0 else {
                return .anotherKey
            }
            let opened = unsafe crypto_aead_xchacha20poly1305_ietf_decrypt(
                output, nil, nil, base.advanced(by: bodyOffset), UInt64(record.count - bodyOffset),
                base, UInt64(bodyOffset), base.advanced(by: 8), okm)
            return opened == 0 ? nil : .damaged
        }
    }

    /// The version of its key that a record names in bytes 4 ..< 8. Nil for another format or suite, and for
    /// what is too short to be a record.
    static func keyVersion(of record: [UInt8]) -> UInt32? {
        guard record.count >= overhead, record[0] == 1, record[1] == 1 else { return nil }
        return record[4..<8].bigEndian()
    }

    static func flags(of record: [UInt8]) -> UInt16 { record[2..<4].bigEndian() }

    /// Record key and commitment on the stack, wiped when `body` returns.
    @inline(__always)
    private static func withDerivedKeys<R>(
        of key: GuardedKey, header: UnsafePointer<UInt8>, personal: Personal, data: AssociatedData,
        _ body: (UnsafePointer<UInt8>) -> R
    ) -> R {
        let inputCount = headerBytes + 8 + AssociatedData.byteCount
        return unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 64 + inputCount) { buffer in
            guard let okm = buffer.baseAddress else { preconditionFailure("an empty buffer") }
            let input = unsafe okm.advanced(by: 64)
            unsafe input.update(from: header, count: headerBytes)
            unsafe input.advanced(by: headerBytes).update(repeating: 0, count: 8)
            unsafe input[headerBytes] = UInt8(AssociatedData.byteCount)
            unsafe input.advanced(by: headerBytes + 8).update(
                from: data.bytes, count: AssociatedData.byteCount)
            unsafe BLAKE2b.hash(
                into: okm, count: 64, UnsafeBufferPointer(start: input, count: inputCount), key: key,
                personal: personal)
            defer { unsafe sodium_memzero(okm, 64) }
            return unsafe body(okm)
        }
    }
}

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

/// A key sealed under another key: the shape of a sealed field, with a personal string of its own. The header
/// carries the epoch of the wrapping key where a field has its owner key's version.
package enum KeyWrap {
    package static let byteCount = CommittingRecord.overhead + GuardedKey.byteCount
    private static let personal = Personal("TokenVault.wrap1")

    package static func wrap(
        _ key: GuardedKey, under wrapping: GuardedKey, epoch: UInt32, for data: AssociatedData
    ) -> [UInt8] {
        wrap(key, under: wrapping, epoch: epoch, for: data, nonce: nil)
    }

    /// With a chosen nonce, for format vectors: nil draws one.
    @_spi(ChosenNonce) public static func wrap(
        _ key: GuardedKey, under wrapping: GuardedKey, epoch: UInt32, for data: AssociatedData,
        nonce: [UInt8]?
    ) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: byteCount) { record, initialized in
            guard let base = record.baseAddress else { return }
            unsafe CommittingRecord.writeHeader(to: base, flags: 0, keyVersion: epoch, nonce: nonce)
            let body = unsafe base.advanced(by: CommittingRecord.bodyOffset)
            unsafe key.withPointer { unsafe body.update(from: $0, count: GuardedKey.byteCount) }
            unsafe CommittingRecord.seal(
                base, count: GuardedKey.byteCount, under: wrapping, personal: personal, data: data)
            initialized = byteCount
        }
    }

    /// The key, straight into guarded memory, or `.integrity`.
    package static func unwrap(
        _ record: [UInt8], with wrapping: GuardedKey, epoch: UInt32, for data: AssociatedData
    ) throws(VaultError) -> GuardedKey {
        switch attempt(record, with: wrapping, epoch: epoch, for: data) {
        case .success(let key): return key
        case .failure:
            throw VaultError(
                .integrity,
                "A wrapped key does not open: it was changed, moved, or wrapped under another key.",
                remedy: "Verify the audit log, then restore a backup.")
        }
    }

    /// The epoch of the key that wrapped `record`. Nil for what is no record of a known format.
    package static func epoch(of record: [UInt8]) -> UInt32? {
        guard record.count == byteCount else { return nil }
        return CommittingRecord.keyVersion(of: record)
    }

    /// Tells a record under another key from a damaged one: a keyslot needs to know.
    static func attempt(
        _ record: [UInt8], with wrapping: GuardedKey, epoch: UInt32, for data: AssociatedData
    ) -> Result<GuardedKey, CommittingRecord.Failure> {
        guard self.epoch(of: record) == epoch, CommittingRecord.flags(of: record) == 0 else {
            return .failure(.malformed)
        }
        var failure: CommittingRecord.Failure?
        let key = unsafe GuardedKey { slot in
            failure = unsafe record.withUnsafeBufferPointer { record in
                unsafe CommittingRecord.open(
                    record, into: slot, with: wrapping, personal: personal, data: data)
            }
        }
        if let failure { return .failure(failure) }
        return .success(key)
    }
}
