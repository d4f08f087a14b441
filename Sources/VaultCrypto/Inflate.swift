import CVaultShims

/// Undoes the compression of a text (gzip, RFC 1952; zlib, RFC 1950), bounded.
package enum Inflate {
    /// JSON shrinks to a third; what grows more than this was made to.
    private static let ratio = 100

    /// What a body holds. Nil: not compressed, damaged, cut off, followed by anything, or more than `limit`
    /// octets or 100 times itself.
    package static func read(_ bytes: [UInt8], limit: Int) -> [UInt8]? {
        // Method 8 is deflate, and the first two octets of zlib's form are a multiple of 31.
        guard bytes.count > 6,
            bytes.starts(with: [0x1F, 0x8B, 0x08])
                || bytes[0] & 0x8F == 0x08 && (Int(bytes[0]) << 8 | Int(bytes[1])).isMultiple(of: 31)
        else { return nil }
        var length = -1
        let room = min(limit, bytes.count * ratio)
        let output = unsafe [UInt8](unsafeUninitializedCapacity: room) { output, count in
            unsafe bytes.withUnsafeBufferPointer { input in
                length = unsafe tv_inflate(input.baseAddress, input.count, output.baseAddress, room)
            }
            count = max(length, 0)
        }
        return length < 0 ? nil : output
    }
}
