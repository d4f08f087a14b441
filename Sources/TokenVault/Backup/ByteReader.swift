import VaultCore

/// Takes fixed fields off the front of bytes that came from outside; nil as soon as there are too few.
struct ByteReader {
    private let bytes: [UInt8]
    private(set) var position = 0

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    mutating func number<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        take(Value.bitWidth / 8)?.reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }

    /// A length of 4 bytes and as many bytes, `limit` at most.
    mutating func counted(limit: Int) -> [UInt8]? {
        guard let count = number(UInt32.self), count <= limit else { return nil }
        return take(Int(count))
    }
}
