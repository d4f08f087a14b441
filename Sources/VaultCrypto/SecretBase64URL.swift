import CSodium

/// Base64url for keys and tokens, between buffers that get wiped, in a time that does not depend on the
/// characters. As strict as `Base64URL` of `VaultCore`, which is for what is no secret: no padding, no spare
/// bits.
enum SecretBase64URL {
    private static let variant = sodium_base64_VARIANT_URLSAFE_NO_PADDING

    static func encodedCount(_ count: Int) -> Int { (count * 4 + 2) / 3 }

    /// Writes ``encodedCount(_:)`` characters and one zero byte behind them.
    static func encode(_ bytes: UnsafePointer<UInt8>, count: Int, to text: UnsafeMutablePointer<UInt8>) {
        let capacity = encodedCount(count) + 1
        unsafe text.withMemoryRebound(to: CChar.self, capacity: capacity) { text in
            _ = unsafe sodium_bin2base64(text, capacity, bytes, count, variant)
        }
    }

    /// Whether exactly `count` bytes were spelled canonically by the `encodedCount(count)` characters at
    /// `text`.
    static func decode(_ text: UnsafePointer<UInt8>, to bytes: UnsafeMutablePointer<UInt8>, count: Int)
        -> Bool
    {
        let characters = encodedCount(count)
        // libsodium 1.0.18 reads every octet above 0x7F as "_", which would give one value many spellings.
        var union: UInt8 = 0
        for index in 0..<characters { unsafe union |= text[index] }
        guard union < 0x80 else { return false }
        return unsafe text.withMemoryRebound(to: CChar.self, capacity: characters) { text in
            var decoded = 0
            let result = unsafe sodium_base642bin(bytes, count, text, characters, nil, &decoded, nil, variant)
            return result == 0 && decoded == count
        }
    }
}
