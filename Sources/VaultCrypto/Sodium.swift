import CSodium
import CVaultShims
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
                .unavailable, "libsodium did not start: the system has no randomness.",
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

/// What a process that holds keys does about itself before it opens a vault.
package enum ProcessHardening {
    /// No core dumps, and no `ptrace` by processes of the same user. Cannot be undone for the core limit.
    package static func disableCoreDumps() throws(VaultError) {
        let code = tv_disable_core_dumps()
        guard code == 0 else {
            throw VaultError(
                .permissionDenied, "Core dumps could not be turned off (error \(code)).",
                remedy: "Allow prctl(2) and setrlimit(2) to this process.")
        }
    }

    /// Whether the system locks the pages that keys lie in; where it does not, they may be written to swap.
    /// libsodium asks for it and goes on where it is refused, so this asks once more for a page of them.
    package static func areKeysLocked() -> Bool {
        let slot = unsafe GuardedPool.shared.take()
        defer { unsafe GuardedPool.shared.give(back: slot) }
        return unsafe sodium_mlock(slot, GuardedPool.slotBytes) == 0
    }

    /// What to do where they are not.
    package static let lockingAdvice =
        "Raise LimitMEMLOCK (ulimit -l) to 1 MiB, or encrypt the swap."
}
