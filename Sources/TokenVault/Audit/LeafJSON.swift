import MerkleLog
import VaultCore
import VaultCrypto

/// Reads a leaf's JSON in the one order and spelling in which ``LeafWriter`` writes it. Valid only as long as
/// the bytes stay where they are.
struct LeafReader {
    /// A member that is there has another shape than it may have.
    struct Malformed: Error {}

    private let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    /// Passes over `literal` if it is next.
    mutating func take(_ literal: StaticString) -> Bool {
        let count = literal.utf8CodeUnitCount
        guard bytes.count - position >= count else { return false }
        for offset in 0..<count where bytes[position + offset] != literal.utf8Start[offset] { return false }
        position += count
        return true
    }

    /// The value after `key`, which is next.
    mutating func member<Value>(
        _ key: StaticString, _ value: (inout LeafReader) -> Value?
    ) throws(Malformed) -> Value {
        guard let value = try optional(key, value) else { throw Malformed() }
        return value
    }

    /// The value after `key` if that is next; nil, and nothing passed over, if it is not.
    mutating func optional<Value>(
        _ key: StaticString, _ value: (inout LeafReader) -> Value?
    ) throws(Malformed) -> Value? {
        guard take(key) else { return nil }
        guard let value = value(&self) else { throw Malformed() }
        return value
    }

    /// Digits without leading zeros, with a sign where it is needed.
    mutating func integer() -> Int64? {
        let isNegative = take("-")
        let start = position
        var value: Int64 = 0
        while position < bytes.count, case let digit = bytes[position] &- 48, digit < 10 {
            let (scaled, overflow) = value.multipliedReportingOverflow(by: 10)
            let (next, carry) = scaled.subtractingReportingOverflow(Int64(digit))
            guard !overflow, !carry else { return nil }
            value = next
            position += 1
        }
        // Counted downwards, because the smallest number has no positive counterpart.
        guard position > start, isNegative || value != .min else { return nil }
        guard bytes[start] != 48 || (position == start + 1 && !isNegative) else { return nil }
        return isNegative ? value : -value
    }

    /// Where the characters of a string are.
    mutating func text() -> LeafFields.Text? {
        guard take("\"") else { return nil }
        let start = position
        while position < bytes.count, AuditLeaf.isPlain(bytes[position]) { position += 1 }
        let text = start..<position
        return take("\"") ? text : nil
    }

    /// One element or more.
    mutating func list<Element>(_ one: (inout LeafReader) -> Element?) -> [Element]? {
        guard take("[") else { return nil }
        var elements: [Element] = []
        repeat {
            guard let element = one(&self) else { return nil }
            elements.append(element)
        } while take(",")
        return take("]") ? elements : nil
    }

    /// `[number]` for the first, `[number, index]` for each after it.
    mutating func creation() -> Creation? {
        guard take("["), let number = integer(), number > 0 else { return nil }
        var previous: Int64?
        if number > 1 {
            guard take(","), let value = integer(), value >= 0 else { return nil }
            previous = value
        }
        return take("]") ? Creation(number: number, previous: previous) : nil
    }

    mutating func row() -> RowChange? {
        guard take("["), let table = integer(), let number = UInt16(exactly: table), take(","),
            let id = integer(), take(",")
        else { return nil }
        var hash: Digest?
        if !take("null") {
            guard let value = digest() else { return nil }
            hash = value
        }
        var previous: Int64?
        if take(",") {
            guard let value = integer(), value >= 0 else { return nil }
            previous = value
        }
        return take("]") ? RowChange(table: number, id: id, hash: hash, previous: previous) : nil
    }

    /// 64 hexadecimal digits, lower case, in quotes.
    private mutating func digest() -> Digest? {
        let digits = 2 * Digest.byteCount
        guard take("\""), bytes.count - position > digits else { return nil }
        let start = position
        position += digits
        guard take("\"") else { return nil }
        return withUnsafeTemporaryAllocation(byteCount: Digest.byteCount, alignment: 8) { target in
            for index in 0..<Digest.byteCount {
                guard let high = Hex.value(bytes[start + 2 * index]),
                    let low = Hex.value(bytes[start + 2 * index + 1])
                else { return nil }
                target[index] = high << 4 | low
            }
            return Digest(loading: UnsafeRawBufferPointer(target))
        }
    }
}

/// Builds a leaf's JSON member by member. Strings are of our own vocabulary (verbs, hexadecimal, request
/// ids); any other character becomes `?`, so that no text from outside can shape the log.
struct LeafWriter {
    private var bytes: [UInt8] = [UInt8(ascii: "{")]

    init() { bytes.reserveCapacity(512) }

    mutating func member(_ name: StaticString, _ value: Int64) {
        key(name)
        append(value)
    }

    mutating func member(_ name: StaticString, _ value: String) {
        key(name)
        append(value)
    }

    mutating func optional(_ name: StaticString, _ value: Int64?) {
        if let value { member(name, value) }
    }

    mutating func optional(_ name: StaticString, _ value: String?) {
        if let value { member(name, value) }
    }

    mutating func optional(_ name: StaticString, _ creation: Creation?) {
        guard let creation else { return }
        key(name)
        list([creation.number] + (creation.previous.map { [$0] } ?? [])) { $0.append($1) }
    }

    mutating func optional(_ name: StaticString, _ values: [String]) {
        guard !values.isEmpty else { return }
        key(name)
        list(values) { writer, value in writer.append(value) }
    }

    /// `[table, id, "hash" or null]`, and as a fourth element the leaf that named the row before.
    mutating func optional(_ name: StaticString, _ rows: [RowChange]) {
        guard !rows.isEmpty else { return }
        key(name)
        list(rows) { writer, row in
            writer.bytes.append(UInt8(ascii: "["))
            writer.append(Int64(row.table))
            writer.bytes.append(UInt8(ascii: ","))
            writer.append(row.id)
            writer.bytes.append(UInt8(ascii: ","))
            if let hash = row.hash {
                writer.append(hex: hash.bytes)
            } else {
                writer.bytes += Array("null".utf8)
            }
            if let previous = row.previous {
                writer.bytes.append(UInt8(ascii: ","))
                writer.append(previous)
            }
            writer.bytes.append(UInt8(ascii: "]"))
        }
    }

    consuming func finish() -> [UInt8] {
        bytes.append(UInt8(ascii: "}"))
        return bytes
    }

    private mutating func key(_ name: StaticString) {
        if bytes.count > 1 { bytes.append(UInt8(ascii: ",")) }
        bytes.append(UInt8(ascii: "\""))
        name.withUTF8Buffer { bytes.append(contentsOf: $0) }
        bytes.append(UInt8(ascii: "\""))
        bytes.append(UInt8(ascii: ":"))
    }

    private mutating func append(_ value: Int64) {
        bytes.append(contentsOf: String(value).utf8)
    }

    private mutating func append(_ value: String) {
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        bytes.append(contentsOf: value.utf8)
        for index in start..<bytes.count where !AuditLeaf.isPlain(bytes[index]) {
            bytes[index] = UInt8(ascii: "?")
        }
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func append(hex value: [UInt8]) {
        bytes.append(UInt8(ascii: "\""))
        bytes.append(contentsOf: Hex.encode(value).utf8)
        bytes.append(UInt8(ascii: "\""))
    }

    private mutating func list<Element>(_ elements: [Element], _ one: (inout LeafWriter, Element) -> Void) {
        bytes.append(UInt8(ascii: "["))
        for (index, element) in elements.enumerated() {
            if index > 0 { bytes.append(UInt8(ascii: ",")) }
            one(&self, element)
        }
        bytes.append(UInt8(ascii: "]"))
    }
}
