import CSodium
package import VaultCore

/// One encrypted value of one column, bound to its owner's key and to its place (``AssociatedData``).
package enum SealedField {
    /// Bytes a record has beyond its (padded) plaintext.
    package static let overhead = CommittingRecord.overhead
    private static let personal = Personal("TokenVault.seal1")
    private static let padded: UInt16 = 1

    /// Seals `plaintext`. Pad what varies in length with its meaning; leave unpadded what has one length.
    package static func seal(
        _ plaintext: [UInt8], under key: OwnerKey, for data: AssociatedData, padded: Bool,
        limit: Int = Limits.sealedFieldBytes
    ) throws(VaultError) -> [UInt8] {
        try seal(plaintext, under: key, for: data, padded: padded, limit: limit, nonce: nil)
    }

    /// The same with a chosen nonce, for format vectors: nil draws one. A nonce must never be used twice under
    /// one key and place.
    @_spi(ChosenNonce) public static func seal(
        _ plaintext: [UInt8], under key: OwnerKey, for data: AssociatedData, padded: Bool,
        limit: Int = Limits.sealedFieldBytes, nonce: [UInt8]?
    ) throws(VaultError) -> [UInt8] {
        guard plaintext.count <= limit else {
            throw VaultError(
                .invalidInput, "A value of \(plaintext.count) bytes is over the limit of \(limit).")
        }
        let count = padded ? paddedCount(plaintext.count) : plaintext.count
        return unsafe [UInt8](unsafeUninitializedCapacity: overhead + count) { record, initialized in
            guard let base = record.baseAddress else { return }
            unsafe CommittingRecord.writeHeader(
                to: base, flags: padded ? Self.padded : 0, keyVersion: key.version, nonce: nonce)
            let body = unsafe base.advanced(by: CommittingRecord.bodyOffset)
            unsafe body.update(from: plaintext, count: plaintext.count)
            if padded {
                unsafe body[plaintext.count] = 0x80
                let rest = count - plaintext.count - 1
                unsafe body.advanced(by: plaintext.count + 1).update(repeating: 0, count: rest)
            }
            unsafe CommittingRecord.seal(base, count: count, under: key.key, personal: personal, data: data)
            initialized = overhead + count
        }
    }

    /// The plaintext, or `.integrity` for anything that ``seal(_:under:for:padded:limit:)`` would not have
    /// made here.
    package static func open(
        _ record: [UInt8], with key: OwnerKey, for data: AssociatedData, limit: Int = Limits.sealedFieldBytes
    ) throws(VaultError) -> [UInt8] {
        guard let ownerKey = key.key(ofVersion: ownerKeyVersion(of: record)) else { throw damaged }
        let flags = CommittingRecord.flags(of: record)
        let isPadded = flags == Self.padded
        let count = record.count - overhead
        guard isPadded || flags == 0, count <= (isPadded ? paddedCount(limit) : limit) else {
            throw damaged
        }
        var failure: CommittingRecord.Failure?
        var plaintext = unsafe [UInt8](unsafeUninitializedCapacity: count) { output, initialized in
            failure = unsafe record.withUnsafeBufferPointer { record in
                unsafe CommittingRecord.open(
                    record, into: output.baseAddress, with: ownerKey, personal: personal, data: data)
            }
            initialized = failure == nil ? count : 0
        }
        guard failure == nil else { throw damaged }
        if isPadded {
            guard let length = plaintextCount(plaintext), length <= limit else { throw damaged }
            plaintext.removeSubrange(length...)
        }
        return plaintext
    }

    /// The same plaintext under the present version of its owner's key, padded as it was.
    package static func reseal(
        _ record: [UInt8], with key: OwnerKey, for data: AssociatedData
    ) throws(VaultError) -> [UInt8] {
        var plaintext = try open(record, with: key, for: data, limit: Limits.sealedReplyBytes)
        defer { Sodium.wipe(&plaintext) }
        return try seal(
            plaintext, under: key, for: data, padded: CommittingRecord.flags(of: record) == padded,
            limit: Limits.sealedReplyBytes)
    }

    /// Which version of its owner's key a record needs. Nil for what is no record of a known format.
    package static func ownerKeyVersion(of record: [UInt8]) -> UInt32? {
        CommittingRecord.keyVersion(of: record)
    }

    private static var damaged: VaultError {
        VaultError(
            .integrity, "A sealed value does not open: it was changed, moved, or sealed under another key.",
            remedy: "Verify the audit log, then restore a backup.")
    }
}

// Padding hides the length of a plaintext: 0x80, then zeros, to the end of a bucket (ISO/IEC 7816-4). Buckets are
// 256 bytes up to 4 KiB and 1 KiB beyond. One plaintext has exactly one padded form.
extension SealedField {
    private static let fineBucket = 256
    private static let fineLimit = 4096
    private static let coarseBucket = 1024

    /// The padded length of `count` bytes; always at least one more.
    private static func paddedCount(_ count: Int) -> Int {
        let bucket = count < fineLimit ? fineBucket : coarseBucket
        return (count / bucket + 1) * bucket
    }

    /// The length of the plaintext in `padded`; nil if this padding is not the one we would have made.
    private static func plaintextCount(_ padded: [UInt8]) -> Int? {
        guard let mark = padded.lastIndex(where: { $0 != 0 }), padded[mark] == 0x80,
            paddedCount(mark) == padded.count
        else { return nil }
        return mark
    }
}
