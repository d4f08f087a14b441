import VaultCore

/// Reads a leaf's JSON in the one order and spelling in which ``LeafWriter`` writes it.
struct LeafReader {
    private let bytes: [UInt8]
    private var position = 1

    init?(_ bytes: [UInt8]) {
        guard bytes.first == UInt8(ascii: "{"), bytes.last == UInt8(ascii: "}") else { return nil }
        self.bytes = bytes
    }

    /// Whether only the closing brace is left.
    var isAtEnd: Bool { position == bytes.count - 1 }

    mutating func member(_ name: StaticString) -> Int64? {
        attempt(name) { $0.integer() }
    }

    mutating func text(_ name: StaticString) -> String? {
        attempt(name) { $0.string() }
    }

    mutating func integers(_ name: StaticString) -> [Int64]? {
        attempt(name) { $0.list { $0.integer() } }
    }

    mutating func rows(_ name: StaticString) -> [RowChange]? {
        attempt(name) { $0.list { $0.row() } }
    }

    /// The member `name` if it is next; otherwise nothing is consumed.
    private mutating func attempt<Value>(_ name: StaticString, _ value: (inout LeafReader) -> Value?)
        -> Value?
    {
        let start = position
        if position > 1, !take(",") { return nil }
        if take("\""), take(name), take("\":"), let value = value(&self) { return value }
        position = start
        return nil
    }

    private mutating func row() -> RowChange? {
        guard take("["), let table = integer(), let number = UInt16(exactly: table), take(","),
            let id = integer(),
            take(",")
        else { return nil }
        var hash: [UInt8]?
        if !take("null") {
            guard let text = string(), let bytes = Hex.decode(text), bytes.count == 32 else { return nil }
            hash = bytes
        }
        var day: Int64?
        if take(",") {
            guard let value = integer() else { return nil }
            day = value
        }
        return take("]") ? RowChange(table: number, id: id, hash: hash, expiresDay: day) : nil
    }

    private mutating func list<Element>(_ one: (inout LeafReader) -> Element?) -> [Element]? {
        guard take("[") else { return nil }
        var elements: [Element] = []
        repeat {
            guard let element = one(&self) else { return nil }
            elements.append(element)
        } while take(",")
        return take("]") ? elements : nil
    }

    private mutating func take(_ literal: StaticString) -> Bool {
        literal.withUTF8Buffer { expected in
            let end = position + expected.count
            guard end < bytes.count, bytes[position..<end].elementsEqual(expected) else { return false }
            position = end
            return true
        }
    }

    /// Digits without leading zeros, at most 19 of them.
    private mutating func integer() -> Int64? {
        let start = position
        if bytes[position] == UInt8(ascii: "-") { position += 1 }
        while position < bytes.count - 1, (48...57).contains(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard let value = Int64(text), String(value) == text else { return nil }
        return value
    }

    private mutating func string() -> String? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count - 1, LeafText.isPlain(bytes[position]) { position += 1 }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        return take("\"") ? text : nil
    }
}
