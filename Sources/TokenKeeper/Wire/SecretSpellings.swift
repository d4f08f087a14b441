import VaultCore

/// What to search for in a text to find a secret in it, however it was encoded.
enum SecretSpellings {
    /// The secret itself, how it begins and ends, and base64 of it wherever it stands in what was encoded. In
    /// lower case, as ``DecodedView`` is.
    static func needles(of secret: [UInt8]) -> [[UInt8]] {
        guard !secret.isEmpty else { return [] }
        var needles = [secret]
        // Providers show "the first characters" of a token, and cut long ones.
        if secret.count >= 16 { needles += [Array(secret.prefix(8)), Array(secret.suffix(8))] }
        if secret.contains(UInt8(ascii: " ")) {
            needles.append(secret.map { $0 == UInt8(ascii: " ") ? UInt8(ascii: "+") : $0 })
        }
        for offset in 0..<3 {
            guard let core = base64Core(of: secret, offset: offset) else { continue }
            needles.append(core)
            needles.append(
                core.map { byte in
                    switch byte {
                    case UInt8(ascii: "-"): UInt8(ascii: "+")
                    case UInt8(ascii: "_"): UInt8(ascii: "/")
                    default: byte
                    }
                })
        }
        return needles.map { $0.map(lowercase) }
    }

    static func lowercase(_ byte: UInt8) -> UInt8 {
        (UInt8(ascii: "A")...UInt8(ascii: "Z")).contains(byte) ? byte + 32 : byte
    }

    /// The characters of base64url that depend on the secret alone when `offset` octets stand before it.
    private static func base64Core(of secret: [UInt8], offset: Int) -> [UInt8]? {
        let text = Base64URL.encode([UInt8](repeating: 0, count: offset) + secret)
        // The first characters mix in what stands before, the last one what follows.
        let leading = offset == 0 ? 0 : offset + 1
        let trailing = (offset + secret.count).isMultiple(of: 3) ? 0 : 1
        guard text.count - leading - trailing >= 4 else { return nil }
        return Array(text[leading..<text.count - trailing])
    }
}

/// A text with its escapes undone, and for each octet the place in the text that it came from.
struct DecodedView {
    private let bytes: [UInt8]
    private let places: [Range<Int>]

    /// The text as it is and with its escapes undone once, twice, three times, in lower case, with spaces and without.
    static func all(of text: [UInt8]) -> [DecodedView] {
        var views = [DecodedView(bytes: text, places: text.indices.map { $0..<$0 + 1 })]
        for _ in 0..<3 {
            let next = views[views.count - 1].decoded
            guard next.bytes.count < views[views.count - 1].bytes.count else { break }
            views.append(next)
        }
        return views.flatMap { view in
            let lower = DecodedView(bytes: view.bytes.map(SecretSpellings.lowercase), places: view.places)
            return [lower, lower.closed]
        }
    }

    /// Without spaces: some programs break a long word into lines.
    private var closed: DecodedView {
        let kept = bytes.indices.filter { bytes[$0] != UInt8(ascii: " ") }
        return DecodedView(bytes: kept.map { bytes[$0] }, places: kept.map { places[$0] })
    }

    /// The places in the text that spell `needle`.
    func matches(of needle: [UInt8]) -> [Range<Int>] {
        guard let first = needle.first, needle.count <= bytes.count else { return [] }
        var matches: [Range<Int>] = []
        for start in 0...(bytes.count - needle.count)
        where bytes[start] == first && bytes[start..<start + needle.count].elementsEqual(needle) {
            matches.append(places[start].lowerBound..<places[start + needle.count - 1].upperBound)
        }
        return matches
    }

    /// With `%XX`, `\uXXXX`, `\xXX`, `&#NN;` and a backslash before a character undone.
    private var decoded: DecodedView {
        var result: (bytes: [UInt8], places: [Range<Int>]) = ([], [])
        var index = 0
        while index < bytes.count {
            let (byte, length) = escape(at: index) ?? (bytes[index], 1)
            result.bytes.append(byte)
            result.places.append(places[index].lowerBound..<places[index + length - 1].upperBound)
            index += length
        }
        return DecodedView(bytes: result.bytes, places: result.places)
    }

    /// The octet that an escape at `index` stands for, and the length of the escape.
    private func escape(at index: Int) -> (UInt8, Int)? {
        let rest = bytes[index...]
        if rest.first == UInt8(ascii: "%"), let byte = hexadecimal(index + 1, digits: 2) { return (byte, 3) }
        if rest.starts(with: "&#x".utf8) || rest.starts(with: "&#X".utf8) {
            return reference(from: index + 3, base: 16).map { ($0.0, $0.1 + 3) }
        }
        if rest.starts(with: "&#".utf8) {
            return reference(from: index + 2, base: 10).map { ($0.0, $0.1 + 2) }
        }
        for (name, character) in [("&amp;", "&"), ("&quot;", "\""), ("&lt;", "<"), ("&gt;", ">")]
            as [(String, Unicode.Scalar)]
        where rest.starts(with: name.utf8) {
            return (UInt8(ascii: character), name.utf8.count)
        }
        guard rest.first == UInt8(ascii: "\\"), let next = rest.dropFirst().first else { return nil }
        switch next {
        case UInt8(ascii: "u"):
            guard let byte = hexadecimal(index + 2, digits: 4) else { return nil }
            return (byte, 6)
        case UInt8(ascii: "x"):
            guard let byte = hexadecimal(index + 2, digits: 2) else { return nil }
            return (byte, 4)
        default: return (next, 2)
        }
    }

    private func hexadecimal(_ start: Int, digits: Int) -> UInt8? {
        guard start + digits <= bytes.count else { return nil }
        var value = 0
        for byte in bytes[start..<start + digits] {
            guard let digit = FormCoding.digit(byte) else { return nil }
            value = value << 4 | Int(digit)
        }
        return UInt8(exactly: value)
    }

    /// Up to three digits and a semicolon: the octet, and how long they are together.
    private func reference(from start: Int, base: Int) -> (UInt8, Int)? {
        guard start < bytes.count, let end = bytes[start...].prefix(5).firstIndex(of: UInt8(ascii: ";")),
            end > start,
            let value = UInt8(String(decoding: bytes[start..<end], as: UTF8.self), radix: base)
        else { return nil }
        return (value, end + 1 - start)
    }
}
