/// Standard base64 with padding (RFC 4648 section 4), canonical: one value has exactly one spelling.
package enum Base64 {
    package static func encode(_ bytes: [UInt8]) -> String {
        var text = Base64URL.encode(bytes).map { character in
            switch character {
            case UInt8(ascii: "-"): UInt8(ascii: "+")
            case UInt8(ascii: "_"): UInt8(ascii: "/")
            default: character
            }
        }
        while !text.count.isMultiple(of: 4) { text.append(padding) }
        return String(decoding: text, as: UTF8.self)
    }

    /// Nil for any other alphabet, for missing or surplus padding, and for spare bits that are not zero.
    package static func decode(_ text: some Collection<UInt8>) -> [UInt8]? {
        decode(octets: Array(text))
    }

    /// Not generic, so that the compiler sees what it loops over.
    package static func decode(octets text: [UInt8]) -> [UInt8]? {
        var characters = text
        guard characters.count.isMultiple(of: 4) else { return nil }
        for index in characters.indices {
            switch characters[index] {
            case UInt8(ascii: "+"): characters[index] = UInt8(ascii: "-")
            case UInt8(ascii: "/"): characters[index] = UInt8(ascii: "_")
            case UInt8(ascii: "-"), UInt8(ascii: "_"): return nil
            default: break
            }
        }
        // At most two: a third would leave an impossible length, which the decoder below refuses.
        for _ in 0..<2 where characters.last == padding { characters.removeLast() }
        return Base64URL.decode(octets: characters)
    }

    private static let padding = UInt8(ascii: "=")
}
