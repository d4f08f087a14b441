/// Reads ``StrictJSON`` (RFC 8259): bounded in depth and in members, so that no text costs more than its length.
struct JSONReader {
    /// A JWK Set is three levels deep; claims of clients are rarely four.
    static let depth = 16
    /// Members of one object: a private RSA key, the largest thing we meet, has 15.
    static let members = 64

    /// Why a text is refused.
    enum Malformed: Error { case json }

    private let bytes: [UInt8]
    private var index = 0

    /// Reads a whole text.
    static func read(_ bytes: [UInt8]) throws(Malformed) -> StrictJSON {
        guard String(validating: bytes, as: UTF8.self) != nil else { throw .json }
        var reader = JSONReader(bytes: bytes)
        let value = try reader.value(within: depth)
        reader.skipSpace()
        guard reader.index == bytes.count else { throw .json }
        return value
    }

    private init(bytes: [UInt8]) { self.bytes = bytes }

    private mutating func value(within depth: Int) throws(Malformed) -> StrictJSON {
        guard depth > 0 else { throw .json }
        skipSpace()
        switch peek {
        case UInt8(ascii: "{"): return .object(try object(within: depth - 1))
        case UInt8(ascii: "["): return .array(try array(within: depth - 1))
        case UInt8(ascii: "\""): return .string(try string())
        case UInt8(ascii: "t"): return try word("true", .bool(true))
        case UInt8(ascii: "f"): return try word("false", .bool(false))
        case UInt8(ascii: "n"): return try word("null", .null)
        default: return .number(try number())
        }
    }

    private mutating func object(within depth: Int) throws(Malformed) -> [(name: String, value: StrictJSON)] {
        index += 1
        var members: [(name: String, value: StrictJSON)] = []
        skipSpace()
        if take(UInt8(ascii: "}")) { return members }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\""), members.count < Self.members else { throw .json }
            let name = try string()
            // RFC 7519 section 4: "The Claim Names within a JWT Claims Set MUST be unique".
            guard !members.contains(where: { $0.name.hasSameOctets(as: name) }) else { throw .json }
            skipSpace()
            guard take(UInt8(ascii: ":")) else { throw .json }
            members.append((name, try value(within: depth)))
            skipSpace()
            if take(UInt8(ascii: "}")) { return members }
            guard take(UInt8(ascii: ",")) else { throw .json }
        }
    }

    private mutating func array(within depth: Int) throws(Malformed) -> [StrictJSON] {
        index += 1
        var values: [StrictJSON] = []
        skipSpace()
        if take(UInt8(ascii: "]")) { return values }
        while true {
            values.append(try value(within: depth))
            skipSpace()
            if take(UInt8(ascii: "]")) { return values }
            guard take(UInt8(ascii: ",")) else { throw .json }
        }
    }

    private mutating func string() throws(Malformed) -> String {
        index += 1
        var text: [UInt8] = []
        while let byte = peek {
            index += 1
            switch byte {
            case UInt8(ascii: "\""):
                return String(decoding: text, as: UTF8.self)
            case UInt8(ascii: "\\"): text += try escaped()
            case 0x00...0x1F: throw .json
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
        case UInt8(ascii: "u"): return Array(String(try character()).utf8)
        default: throw .json
        }
    }

    /// Half a pair of surrogates is no character.
    private mutating func character() throws(Malformed) -> Character {
        var code = try fourDigits()
        if (0xD800..<0xDC00).contains(code) {
            guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")) else { throw .json }
            let low = try fourDigits()
            guard (0xDC00..<0xE000).contains(low) else { throw .json }
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else { throw .json }
        return Character(scalar)
    }

    private mutating func fourDigits() throws(Malformed) -> UInt32 {
        guard index + 4 <= bytes.count else { throw .json }
        let digits = bytes[index..<index + 4]
        // `UInt32(_:radix:)` takes a sign too.
        guard digits.allSatisfy({ Self.isHexadecimal($0) }),
            let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw .json }
        index += 4
        return code
    }

    private static func isHexadecimal(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "a")...UInt8(ascii: "f"),
            UInt8(ascii: "A")...UInt8(ascii: "F"):
            true
        default: false
        }
    }

    private mutating func number() throws(Malformed) -> Double {
        let start = index
        _ = take(UInt8(ascii: "-"))
        let whole = digits()
        guard whole > 0, whole == 1 || bytes[index - whole] != UInt8(ascii: "0") else { throw .json }
        if take(UInt8(ascii: ".")) {
            guard digits() > 0 else { throw .json }
        }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            _ = take(UInt8(ascii: "+")) || take(UInt8(ascii: "-"))
            guard digits() > 0 else { throw .json }
        }
        guard let value = Double(String(decoding: bytes[start..<index], as: UTF8.self)), value.isFinite else {
            throw .json
        }
        return value
    }

    /// Skips digits, and says how many there were.
    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func word(_ word: StaticString, _ value: StrictJSON) throws(Malformed) -> StrictJSON {
        for byte in String(describing: word).utf8 {
            guard take(byte) else { throw .json }
        }
        return value
    }

    private var peek: UInt8? { index < bytes.count ? bytes[index] : nil }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard peek == byte else { return false }
        index += 1
        return true
    }

    private mutating func skipSpace() {
        while let byte = peek, byte == 0x20 || byte == 0x09 || byte == 0x0A || byte == 0x0D { index += 1 }
    }
}
