import Crypto
package import VaultCore

/// A SHA-256 value: 32 bytes.
package struct Digest: Sendable, Hashable {
    package static let byteCount = 32
    package let bytes: [UInt8]

    package init?(bytes: [UInt8]) {
        guard bytes.count == Self.byteCount else { return nil }
        self.bytes = bytes
    }

    /// For bytes that are a digest by construction.
    package init(unchecked bytes: [UInt8]) {
        assert(bytes.count == Self.byteCount)
        self.bytes = bytes
    }
}

extension Digest: CustomStringConvertible {
    /// 64 lower-case hexadecimal digits.
    package var description: String { Hex.encode(bytes) }
}

/// SHA-256 (FIPS 180-4), plain and with the one-byte prefixes of RFC 6962.
///
/// Not libsodium's: every write hashes a row, a leaf and a path of the tree, and swift-crypto has the processor do it.
package enum SHA256 {
    package static func hash(_ bytes: [UInt8]) -> Digest {
        Digest(unchecked: Array(Crypto.SHA256.hash(data: bytes)))
    }

    /// The hash of `prefix ‖ part`.
    package static func hash(prefix: UInt8, _ part: [UInt8]) -> Digest {
        hash(prefix: prefix, part, [])
    }

    /// The hash of `prefix ‖ a ‖ b`.
    package static func hash(prefix: UInt8, _ a: [UInt8], _ b: [UInt8]) -> Digest {
        var message: [UInt8] = []
        message.reserveCapacity(1 + a.count + b.count)
        message.append(prefix)
        message += a
        message += b
        return hash(message)
    }
}

/// What the log says about a token: enough to find its entries with the token at hand, nothing to find the
/// token by.
package enum TokenFingerprint {
    package static let byteCount = 16

    /// The first 16 bytes of SHA-256: under no key, so that it survives every rotation of keys.
    package static func of(_ token: SecretBytes) -> [UInt8] {
        token.withExposed { Array(SHA256.hash($0).bytes.prefix(byteCount)) }
    }
}
