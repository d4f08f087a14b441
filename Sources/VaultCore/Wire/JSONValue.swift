/// A JSON value (RFC 8259), or a form as an object of strings.
package indirect enum JSONValue: Sendable, Equatable {
    case null
    case bool(Bool)
    /// As written: a `Double` would round numbers that are not ours to change.
    case number(String)
    case string([UInt8])
    case array([JSONValue])
    case object([String: JSONValue])
    /// A member that came twice with two values: either may be the wrong one.
    case contradiction

    /// The member of an object.
    package subscript(name: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        return members[name]
    }

    package var string: String? {
        guard case .string(let bytes) = self else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// With the precision of `Double`, which is exact for every time and count that a token may hold.
    package var number: Double? {
        guard case .number(let text) = self else { return nil }
        return Double(text)
    }

    package var array: [JSONValue]? {
        guard case .array(let values) = self else { return nil }
        return values
    }

    package var isObject: Bool { if case .object = self { true } else { false } }

    /// A string, a number or a truth value as text.
    package var text: String? {
        switch self {
        case .bool(let value): value ? "true" : "false"
        case .number(let text): text
        case .string: string
        case .null, .array, .object, .contradiction: nil
        }
    }

    /// What is at `path` (`authed_user.access_token`, `errors.0.errorType`). Nil when it is not there, `null`
    /// or an empty string, which providers write for "none".
    package func value(at path: String) -> JSONValue? {
        var value = self
        for step in path.split(separator: ".") {
            switch value {
            case .object(let members):
                guard let member = members[String(step)] else { return nil }
                value = member
            case .array(let values):
                guard let index = Int(step), values.indices.contains(index) else { return nil }
                value = values[index]
            case .contradiction: return .contradiction
            default: return nil
            }
        }
        return value.isNothing ? nil : value
    }

    /// The first of `paths` with something at it.
    package func first(of paths: [String]) -> JSONValue? {
        for path in paths {
            if let value = value(at: path) { return value }
        }
        return nil
    }

    /// Whether an object in here has one of `names` with anything but nothing.
    package func hasMember(named names: Set<String>) -> Bool {
        switch self {
        case .object(let members):
            members.contains { name, value in
                !value.isNothing && (names.contains(name) || value.hasMember(named: names))
            }
        case .array(let values): values.contains { $0.hasMember(named: names) }
        case .null, .bool, .number, .string, .contradiction: false
        }
    }

    private var isNothing: Bool { self == .null || self == .string([]) }

    /// A string as a JSON text (RFC 8259 section 7).
    package static func quoted(_ bytes: [UInt8]) -> [UInt8] {
        var text = Array("\"".utf8)
        for byte in bytes {
            switch byte {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"): text += [UInt8(ascii: "\\"), byte]
            case 0x00...0x1F: text += Array("\\u00".utf8) + FormCoding.hexadecimal(byte)
            default: text.append(byte)
            }
        }
        return text + Array("\"".utf8)
    }

    /// Adds a member; one that is there already with another value contradicts it.
    package static func put(_ value: JSONValue, _ name: String, into members: inout [String: JSONValue]) {
        guard let earlier = members[name], earlier != value else {
            members[name] = value
            return
        }
        members[name] = .contradiction
    }
}

/// Reads JSON (RFC 8259), bounded so that no text costs more than its length.
package struct JSONReader {
    /// The deepest reply of a provider is four levels, a JWK Set three.
    package static let depth = 16
    /// A reply with a user's whole profile has some hundred values.
    package static let valueCount = 10_000
    /// Where reading is strict: a JWT or a key has some ten members.
    package static let strictMembers = 64

    private enum Malformed: Error { case json }

    private let bytes: [UInt8]
    private let isStrict: Bool
    private var index = 0
    private var values = 0

    /// Nil for what is not one JSON value, is deeper or has more values than the bounds.
    ///
    /// - Parameter isStrict: for what decides about access: names come once (RFC 7519 section 4), all is UTF-8, escapes
    ///   mean something, numbers are finite. Otherwise strict about the structure and lenient inside of strings, where a
    ///   user's name in another encoding must not cost the tokens beside it: octets that are no UTF-8 and bare control
    ///   characters stay as they are, an escape that means nothing becomes U+FFFD; no token has any of them.
    package static func read(_ bytes: [UInt8], isStrict: Bool) -> JSONValue? {
        guard !isStrict || String(validating: bytes, as: UTF8.self) != nil else { return nil }
        var reader = JSONReader(bytes: bytes, isStrict: isStrict)
        guard let value = try? reader.value(within: depth) else { return nil }
        reader.skipSpace()
        return reader.index == bytes.count ? value : nil
    }

    private init(bytes: [UInt8], isStrict: Bool) {
        self.bytes = bytes
        self.isStrict = isStrict
    }

    private mutating func value(within depth: Int) throws(Malformed) -> JSONValue {
        values += 1
        guard depth > 0, values <= Self.valueCount else { throw .json }
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

    private mutating func object(within depth: Int) throws(Malformed) -> [String: JSONValue] {
        index += 1
        var members: [String: JSONValue] = [:]
        skipSpace()
        if take("}") { return members }
        while true {
            skipSpace()
            guard peek == UInt8(ascii: "\"") else { throw .json }
            let name = String(decoding: try string(), as: UTF8.self)
            guard !isStrict || members[name] == nil && members.count < Self.strictMembers else { throw .json }
            skipSpace()
            guard take(":") else { throw .json }
            JSONValue.put(try value(within: depth), name, into: &members)
            skipSpace()
            if take("}") { return members }
            guard take(",") else { throw .json }
        }
    }

    private mutating func array(within depth: Int) throws(Malformed) -> [JSONValue] {
        index += 1
        var elements: [JSONValue] = []
        skipSpace()
        if take("]") { return elements }
        while true {
            elements.append(try value(within: depth))
            skipSpace()
            if take("]") { return elements }
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
            case 0x00...0x1F where isStrict: throw .json
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
        case UInt8(ascii: "u"):
            if let character = character() { return Array(String(character).utf8) }
            fallthrough
        default:
            guard !isStrict else { throw .json }
            return Array("\u{FFFD}".utf8)
        }
    }

    /// Nil for half a pair of surrogates, which is no character, and where digits are missing.
    private mutating func character() -> Unicode.Scalar? {
        guard var code = fourDigits() else { return nil }
        let afterFirst = index
        if (0xD800..<0xDC00).contains(code), take("\\"), take("u"), let low = fourDigits(),
            (0xDC00..<0xE000).contains(low)
        {
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        } else {
            index = afterFirst
        }
        return Unicode.Scalar(code)
    }

    /// Nil: they are not there, and nothing was read.
    private mutating func fourDigits() -> UInt32? {
        guard index + 4 <= bytes.count else { return nil }
        var code: UInt32 = 0
        for byte in bytes[index..<index + 4] {
            guard let digit = FormCoding.digit(byte) else { return nil }
            code = code << 4 | UInt32(digit)
        }
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
        let text = String(decoding: bytes[start..<index], as: UTF8.self)
        guard !isStrict || Double(text)?.isFinite == true else { throw .json }
        return text
    }

    /// Skips digits, and says how many there were.
    private mutating func digits() -> Int {
        let start = index
        while let byte = peek, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { index += 1 }
        return index - start
    }

    private mutating func word(_ word: String, _ value: JSONValue) throws(Malformed) -> JSONValue {
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
