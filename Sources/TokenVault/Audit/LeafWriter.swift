import VaultCore
import VaultCrypto

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

    mutating func optional(_ name: StaticString, _ values: [Int64]) {
        guard !values.isEmpty else { return }
        key(name)
        list(values) { writer, value in writer.append(value) }
    }

    /// `[table, id, "hash" or null]`, and for grants a fourth element, the day.
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
            if let day = row.expiresDay {
                writer.bytes.append(UInt8(ascii: ","))
                writer.append(day)
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
        for byte in value.utf8 { bytes.append(LeafText.isPlain(byte) ? byte : UInt8(ascii: "?")) }
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

/// What may stand in a leaf's strings: printable ASCII that JSON does not escape.
enum LeafText {
    static func isPlain(_ byte: UInt8) -> Bool {
        (0x20...0x7E).contains(byte) && byte != UInt8(ascii: "\"") && byte != UInt8(ascii: "\\")
    }
}
