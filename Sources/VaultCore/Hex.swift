/// Base16, lower case; decoding refuses upper case, so that one value has one spelling.
public enum Hex {
    public static func encode(_ bytes: some Sequence<UInt8>) -> String {
        encode(octets: Array(bytes))
    }

    /// Not generic, so that the compiler sees what it loops over.
    private static func encode(octets: [UInt8]) -> String {
        String(unsafeUninitializedCapacity: 2 * octets.count) { digits in
            for (index, octet) in octets.enumerated() {
                digits[2 * index] = digit(octet >> 4)
                digits[2 * index + 1] = digit(octet & 15)
            }
            return 2 * octets.count
        }
    }

    public static func decode(_ text: some StringProtocol) -> [UInt8]? {
        let digits = Array(text.utf8)
        guard digits.count.isMultiple(of: 2) else { return nil }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(digits.count / 2)
        for index in stride(from: 0, to: digits.count, by: 2) {
            guard let high = value(digits[index]), let low = value(digits[index + 1]) else { return nil }
            bytes.append(high << 4 | low)
        }
        return bytes
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 48 + value : 87 + value }

    /// The value of one digit.
    @inlinable package static func value(_ digit: UInt8) -> UInt8? {
        switch digit {
        case 48...57: digit - 48
        case 97...102: digit - 87
        default: nil
        }
    }
}
