import Crypto
import CSodium
package import VaultCore

/// SHA-256 (FIPS 180-4), plain and with the one-byte prefixes of RFC 6962. Not libsodium's: every write
/// hashes a row, a leaf and a path of the tree, and swift-crypto has the processor do it.
package enum SHA256 {
    package static func hash(_ bytes: [UInt8]) -> Digest {
        unsafe bytes.withUnsafeBytes { unsafe hash(raw: $0) }
    }

    /// The hash of `prefix ‖ part`.
    package static func hash(prefix: UInt8, _ part: [UInt8]) -> Digest {
        unsafe part.withUnsafeBytes { unsafe hash(prefix: prefix, raw: $0) }
    }

    /// The hash of `prefix ‖ a ‖ b`.
    package static func hash(prefix: UInt8, _ a: Digest, _ b: Digest) -> Digest {
        unsafe withUnsafeTemporaryAllocation(byteCount: 1 + 2 * Digest.byteCount, alignment: 1) { message in
            guard let start = message.baseAddress else { preconditionFailure("no room for a node") }
            unsafe start.storeBytes(of: prefix, as: UInt8.self)
            unsafe a.store(to: start + 1)
            unsafe b.store(to: start + 1 + Digest.byteCount)
            return unsafe hash(raw: UnsafeRawBufferPointer(message))
        }
    }

    /// The hash of bytes that another object owns.
    package static func hash(raw bytes: UnsafeRawBufferPointer) -> Digest {
        var function = Crypto.SHA256()
        unsafe function.update(bufferPointer: bytes)
        return digest(function)
    }

    /// The hash of `prefix ‖ bytes`.
    package static func hash(prefix: UInt8, raw bytes: UnsafeRawBufferPointer) -> Digest {
        var function = Crypto.SHA256()
        unsafe withUnsafeBytes(of: prefix) { unsafe function.update(bufferPointer: $0) }
        unsafe function.update(bufferPointer: bytes)
        return digest(function)
    }

    private static func digest(_ function: Crypto.SHA256) -> Digest {
        unsafe function.finalize().withUnsafeBytes { unsafe Digest(loading: $0) }
    }
}

/// What the log says about a token: enough to find the entries of a known token, nothing to find the
/// token by.
package enum TokenFingerprint {
    package static let byteCount = 16

    /// The first 16 bytes of SHA-256: under no key, so that it survives every rotation of keys.
    package static func of(_ token: SecretBytes) -> [UInt8] {
        token.withExposed { Array(SHA256.hash($0).bytes.prefix(byteCount)) }
    }
}

/// SHA-256 over bytes that come one part after another.
package struct RunningDigest {
    private var hasher = Crypto.SHA256()

    package init() {}

    package mutating func add(_ bytes: [UInt8]) { hasher.update(data: bytes) }

    package consuming func finish() -> Digest { Digest(unchecked: Array(hasher.finalize())) }
}

extension SHA256 {
    /// HMAC with SHA-256 (RFC 2104) over the parts as if they were one: for formats of others that ask for it.
    ///
    /// - Parameter key: of any length.
    package static func hmac(of parts: [[UInt8]], key: SecretBytes) -> [UInt8] {
        key.withExposed { key in
            var state = crypto_auth_hmacsha256_state()
            // What is left of the key in there goes with it.
            defer { unsafe sodium_memzero(&state, MemoryLayout<crypto_auth_hmacsha256_state>.size) }
            _ = unsafe crypto_auth_hmacsha256_init(&state, key, key.count)
            for part in parts {
                _ = unsafe crypto_auth_hmacsha256_update(&state, part, UInt64(part.count))
            }
            var code = [UInt8](repeating: 0, count: Digest.byteCount)
            _ = unsafe crypto_auth_hmacsha256_final(&state, &code)
            return code
        }
    }
}

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

    /// 32 zeros: changes nothing that it is added to.
    package static let zero = Digest(unchecked: [UInt8](repeating: 0, count: byteCount))

    package static func ^ (one: Digest, other: Digest) -> Digest {
        Digest(
            one.first ^ other.first, one.second ^ other.second, one.third ^ other.third,
            one.fourth ^ other.fourth)
    }

    private init(_ first: UInt64, _ second: UInt64, _ third: UInt64, _ fourth: UInt64) {
        (self.first, self.second, self.third, self.fourth) = (first, second, third, fourth)
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
