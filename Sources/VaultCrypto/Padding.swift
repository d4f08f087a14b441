/// Hides the length of a plaintext: 0x80, then zeros, to the end of a bucket (ISO/IEC 7816-4). Buckets are
/// 256 bytes up to 4 KiB and 1 KiB beyond. One plaintext has exactly one padded form.
enum Padding {
    private static let fineBucket = 256
    private static let fineLimit = 4096
    private static let coarseBucket = 1024

    /// The padded length of `count` bytes; always at least one more.
    static func paddedCount(_ count: Int) -> Int {
        let bucket = count < fineLimit ? fineBucket : coarseBucket
        return (count / bucket + 1) * bucket
    }

    /// The length of the plaintext in `padded`; nil if this padding is not the one we would have made.
    static func plaintextCount(_ padded: [UInt8]) -> Int? {
        guard let mark = padded.lastIndex(where: { $0 != 0 }), padded[mark] == 0x80,
            paddedCount(mark) == padded.count
        else { return nil }
        return mark
    }
}
