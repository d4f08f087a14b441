import VaultCore

/// A SHA-256 value: 32 bytes. Four words in place of an array: a tree of millions of them is built without an
/// allocation for each.
package struct Digest: Sendable, Hashable {
    package static let byteCount = 32
    private let first, second, third, fourth: UInt64

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.init(unchecked: bytes)
    }

    /// For bytes that are a digest by construction.
    package init(unchecked bytes: [UInt8]) {
        precondition(bytes.count == Self.byteCount)
        self = unsafe bytes.withUnsafeBytes { unsafe Digest(loading: $0) }
    }

    /// The first 32 bytes at an address.
    package init(loading source: UnsafeRawBufferPointer) {
        precondition(source.count >= Self.byteCount)
        unsafe first = source.loadUnaligned(fromByteOffset: 0, as: UInt64.self)
        unsafe second = source.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        unsafe third = source.loadUnaligned(fromByteOffset: 16, as: UInt64.self)
        unsafe fourth = source.loadUnaligned(fromByteOffset: 24, as: UInt64.self)
    }

    package var bytes: [UInt8] {
        unsafe withUnsafeBytes(of: (first, second, third, fourth)) { unsafe Array($0) }
    }

    /// Writes the 32 bytes to an address.
    func store(to target: UnsafeMutableRawPointer) {
        unsafe target.storeBytes(of: first, as: UInt64.self)
        unsafe target.storeBytes(of: second, toByteOffset: 8, as: UInt64.self)
        unsafe target.storeBytes(of: third, toByteOffset: 16, as: UInt64.self)
        unsafe target.storeBytes(of: fourth, toByteOffset: 24, as: UInt64.self)
    }
}

extension Digest: CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    package var description: String { Hex.encode(bytes) }
}
