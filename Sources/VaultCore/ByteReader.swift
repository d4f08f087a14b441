/// Takes fields off the front of bytes that came from outside; nil as soon as there are too few. Numbers are big endian.
package struct ByteReader {
    private let bytes: [UInt8]
    package private(set) var position = 0

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    package var isAtEnd: Bool { position == bytes.count }

    /// What was not taken yet.
    package var rest: [UInt8] { Array(bytes[position...]) }

    package mutating func take(_ count: Int) -> [UInt8]? {
        guard count >= 0, count <= bytes.count - position else { return nil }
        defer { position += count }
        return Array(bytes[position..<position + count])
    }

    package mutating func number<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value? {
        take(Value.bitWidth / 8)?.bigEndian()
    }

    /// A length in as many bytes as `Length` has, and as many bytes, `limit` at most.
    package mutating func counted<Length: FixedWidthInteger>(
        _: Length.Type = UInt32.self, limit: Int
    ) -> [UInt8]? {
        guard let count: Length = number(), count <= limit else { return nil }
        return take(Int(count))
    }
}

// Inlined into the modules that use them: a row is spelled out on every read and write.
extension [UInt8] {
    /// Appends `value`, most significant byte first.
    @inlinable package mutating func append(bigEndian value: some FixedWidthInteger) {
        var shift = value.bitWidth
        while shift > 0 {
            shift -= 8
            append(UInt8(truncatingIfNeeded: value >> shift))
        }
    }
}

extension Collection<UInt8> {
    /// All bytes of the collection as one number, most significant first.
    @inlinable package func bigEndian<Value: FixedWidthInteger>(_: Value.Type = Value.self) -> Value {
        reduce(0) { $0 << 8 | Value(truncatingIfNeeded: $1) }
    }
}
