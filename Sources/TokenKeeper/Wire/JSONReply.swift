/// Reads JSON (RFC 8259) that a provider sent, bounded so that no reply costs more than its length.
///
/// Strict about the structure, lenient inside of strings: a user's name in another encoding must not cost the tokens
/// beside it. Octets that are no UTF-8 and bare control characters stay as they are, an escape that means nothing becomes
/// U+FFFD; no token has any of them.
struct JSONReply {
    /// The deepest reply seen is four levels.
    static let depth = 16
    /// A reply with a user's whole profile has some hundred values.
    static let valueCount = 10_000

    private enum Malformed: Error { case json }

    private let bytes: [UInt8]
    private var index = 0
    private var values = 0

    /// Nil for what is not one JSON value, is deeper or has more values than the bounds.
    static func read(_ bytes: [UInt8]) -> ReplyValue? {
        var reader = JSONReply(bytes: bytes)
        guard let value = try? reader.value(within: depth) else { return nil }
        reader.skipSpace()
        return reader.index == bytes.count ? value : nil
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func value(within depth: Int) throws(Malformed) -> ReplyValue {
        values += 1
        guard depth > 0, values <= Self.valueCount else { throw .json }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return try object(within: depth - 1)
        case UInt8(ascii: "["): return try array(within: depth - 1)
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(within depth: Int) throws(Malformed) -> ReplyValue {
        index += 1
        var members: [String: ReplyValue] = [:]
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw .json }
            let name = String(decoding: try string(), as: UTF8.self)
            skipSpace()
            guard take(":") else { throw .json }
            ReplyValue.put(try value(within: depth), name, into: &members)
            skipSpace()
            if take("}") { return .object(members) }
            guard take(",") else { throw .json }
        }
    }

    private mutating func array(within depth: Int) throws(Malformed) -> ReplyValue {
        index += 1
        var elements: [ReplyValue] = []
        skipSpace()
        if take("]") { return .array(elements) }
        while true {
            elements.append(try value(within: depth))
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { throw .json }
        }
    }

    private mutating func string() throws(Malformed) -> [UInt8] {
        index += 1
        var text: [UInt8] = []
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""): return text
            case UInt8(ascii: "\\"): text += try escaped()
            default: text.append(byte)
            }
        }
        throw .json
    }

    private mutating func escaped() throws(Malformed) -> [UInt8] {
        guard let byte = peek else { throw .json }
        index += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"): return character()
        default: return Self.replacement
        }
    }

    private static let replacement = Array("\u{FFFD}".utf8)

    /// Half a pair of surrogates is no character.
    private mutating func character() -> [UInt8] {
        guard var code = fourDigits() else { return Self.replacement }
        let afterFirst = index
        if (0xD800..<0xDC00).contains(code), take("\\"), take("u"), let low = fourDigits(),
            (0xDC00..<0xE000).contains(low)
        {
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        } else {
            index = afterFirst
        }
        return Unicode.Scalar(code).map { Array(String($0).utf8) } ?? Self.replacement
    }

    /// Nil: they are not there, and nothing was read.
    private mutating func fourDigits() -> UInt32? {
        var code: UInt32 = 0
        for byte in bytes[index...].prefix(4) {
            guard let digit = FormText.digit(byte) else { return nil }
            code = code << 4 | UInt32(digit)
        }
        guard index + 4 <= bytes.count else { return nil }
        index += 4
        return code
    }

    private mutating func number() throws(Malformed) -> String {
        let start = index
        _ = take("-")
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[index - whole] != UInt8(ascii: "0") else { throw .json }
        if take(".") {
            guard digits() > 0 else { throw .json }
        }
        if take("e") || take("E") {
            _ = take("+") || take("-")
            guard digits() > 0 else { throw .json }
        }
        return String(decoding: bytes[start..<index], as: UTF8.self)
    }

    /// Skips digits, and says how many there were.
    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func word(_ word: String, _ value: ReplyValue) throws(Malformed) -> ReplyValue {
        guard bytes[index...].starts(with: word.utf8) else { throw .json }
        index += word.utf8.count
        return value
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ scalar: Unicode.Scalar) -> Bool {
        guard peek == UInt8(ascii: scalar) else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }
}
