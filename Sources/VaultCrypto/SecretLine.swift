import CSodium
import VaultCore

/// Secret octets as one line of text: a label that names format and version, a space, base64url.
struct SecretLine: Sendable {
    private let label: [UInt8]
    private let byteCount: Int
    private static let newline = UInt8(ascii: "\n")

    init(_ label: String, byteCount: Int) {
        self.label = Array(label.utf8) + [UInt8(ascii: " ")]
        self.byteCount = byteCount
    }

    /// Of the line without its newline.
    var characterCount: Int { label.count + SecretBase64URL.encodedCount(byteCount) }

    /// Lends `bytes` as a line with its newline.
    func write<Result>(
        _ bytes: UnsafeBufferPointer<UInt8>,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result
    ) throws(VaultError) -> Result {
        precondition(bytes.count == byteCount, "a line has the length of its format")
        return try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: characterCount + 1) {
            text throws(VaultError) in
            defer { unsafe sodium_memzero(text.baseAddress, text.count) }
            guard let base = text.baseAddress, let source = bytes.baseAddress else {
                preconditionFailure("an empty line")
            }
            unsafe base.update(from: label, count: label.count)
            unsafe SecretBase64URL.encode(source, count: byteCount, to: base + label.count)
            unsafe text[characterCount] = Self.newline
            return try unsafe body(UnsafeBufferPointer(text))
        }
    }

    /// Whether `content` is such a line, spelled as ``write(_:_:)`` does, its newline optional.
    func read(_ content: UnsafeBufferPointer<UInt8>, into bytes: UnsafeMutablePointer<UInt8>) -> Bool {
        let hasNewline = unsafe content.last == Self.newline
        guard content.count == characterCount + (hasNewline ? 1 : 0), unsafe content.starts(with: label),
            let base = content.baseAddress
        else { return false }
        return unsafe SecretBase64URL.decode(base + label.count, to: bytes, count: byteCount)
    }

    /// Lends the octets of such a line; nil for anything else.
    func read<Result>(
        _ content: UnsafeBufferPointer<UInt8>,
        _ body: (UnsafeBufferPointer<UInt8>) throws(VaultError) -> Result?
    ) throws(VaultError) -> Result? {
        try unsafe withUnsafeTemporaryAllocation(of: UInt8.self, capacity: byteCount) {
            bytes throws(VaultError) in
            defer { unsafe sodium_memzero(bytes.baseAddress, bytes.count) }
            guard let base = bytes.baseAddress, unsafe read(content, into: base) else { return nil }
            return try unsafe body(UnsafeBufferPointer(bytes))
        }
    }
}
