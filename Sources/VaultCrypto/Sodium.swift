import CSodium
package import VaultCore

/// The door to libsodium: starts it once, and wipes what must not linger.
package enum Sodium {
    /// Whether `sodium_init` succeeded; evaluated once, on the first use of anything in this module.
    static let isReady: Bool = sodium_init() >= 0

    /// Starts the library. Everything below starts it too; calling this first gives an error instead of a
    /// trap.
    package static func start() throws(VaultError) {
        guard isReady else {
            throw VaultError(
                .unavailable, "libsodium did not start: the system gives no randomness.",
                remedy: "Check that getrandom(2) or /dev/urandom works here.")
        }
    }

    /// For entry points that cannot throw: without randomness nothing in this module may run.
    static func require() {
        precondition(isReady, "libsodium did not start: the system gives no randomness")
    }

    /// Overwrites `bytes` with zeros in a way the optimiser keeps, and empties it. Works on the array's own
    /// storage only while nothing else holds a copy.
    package static func wipe(_ bytes: inout [UInt8]) {
        unsafe bytes.withUnsafeMutableBytes { buffer in
            guard let base = buffer.baseAddress else { return }
            unsafe sodium_memzero(base, buffer.count)
        }
        bytes.removeAll()
    }
}

/// Randomness from the operating system through libsodium.
package struct SystemRandom: Sendable {
    package init() {
        Sodium.require()
    }

    /// `count` unpredictable octets.
    package func bytes(_ count: Int) -> [UInt8] {
        unsafe [UInt8](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let base = buffer.baseAddress { unsafe randombytes_buf(base, count) }
            initialized = count
        }
    }
}

/// Comparison whose time tells nothing about where two values differ.
package enum ConstantTime {
    /// False for different lengths: the length of what we compare is never secret.
    package static func equal(_ a: [UInt8], _ b: [UInt8]) -> Bool {
        guard a.count == b.count else { return false }
        return unsafe sodium_memcmp(a, b, a.count) == 0
    }
}
