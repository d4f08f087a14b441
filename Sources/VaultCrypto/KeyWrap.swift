import CSodium
package import VaultCore

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

    /// The same with a chosen nonce, for format vectors: nil draws one.
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
                remedy: "Run `tokenvault audit verify`, and restore the row from a backup.")
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
