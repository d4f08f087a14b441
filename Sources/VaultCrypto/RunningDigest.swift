import Crypto

/// SHA-256 over bytes that come one part after another.
package struct RunningDigest {
    private var hasher = Crypto.SHA256()

    package init() {}

    package mutating func add(_ bytes: [UInt8]) { hasher.update(data: bytes) }

    package consuming func finish() -> Digest { Digest(unchecked: Array(hasher.finalize())) }
}
