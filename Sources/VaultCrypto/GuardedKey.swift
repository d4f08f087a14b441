import CSodium
package import VaultCore

/// A 256-bit key in guarded memory, wiped when the last reference goes. `@unchecked`: the slot is written
/// before `init` returns and wiped in `deinit`; in between it is only read.
@safe
package final class GuardedKey: @unchecked Sendable {
    package static let byteCount = 32

    private let slot: UnsafeMutablePointer<UInt8>

    /// Takes a slot and lets `fill` write all 32 bytes of it.
    init(filling fill: (UnsafeMutablePointer<UInt8>) -> Void) {
        unsafe slot = GuardedPool.shared.take()
        unsafe fill(slot)
    }

    /// Copies a key in. The caller wipes its own copy.
    package convenience init(copying bytes: UnsafeRawBufferPointer) throws(VaultError) {
        guard bytes.count == Self.byteCount, let source = bytes.baseAddress else {
            throw VaultError(.invalidInput, "A key has \(Self.byteCount) bytes, not \(bytes.count).")
        }
        unsafe self.init { slot in
            unsafe UnsafeMutableRawPointer(slot).copyMemory(from: source, byteCount: Self.byteCount)
        }
    }

    deinit {
        unsafe GuardedPool.shared.give(back: slot)
    }

    package static func random() -> GuardedKey {
        unsafe GuardedKey { slot in unsafe randombytes_buf(slot, byteCount) }
    }

    /// Lends the bytes for the time of `body`, which must not keep or copy them.
    package func withBytes<R, Failure: Error>(
        _ body: (UnsafeRawBufferPointer) throws(Failure) -> R
    ) throws(Failure) -> R {
        defer { withExtendedLifetime(self) {} }
        return try unsafe body(UnsafeRawBufferPointer(start: slot, count: Self.byteCount))
    }

    /// Whether both are the same key, in constant time.
    package func isEqual(to other: GuardedKey) -> Bool {
        unsafe withPointer { own in
            unsafe other.withPointer { unsafe sodium_memcmp(own, $0, Self.byteCount) == 0 }
        }
    }

    /// An independent key for one purpose (`crypto_kdf`): `context` is 8 ASCII characters fixed in the code.
    package func derive(subkey id: UInt64, context: String) -> GuardedKey {
        precondition(context.utf8.count == crypto_kdf_CONTEXTBYTES, "a key derivation context has 8 bytes")
        let name = context.utf8.map { CChar(bitPattern: $0) }
        return unsafe GuardedKey { subkey in
            unsafe withPointer { own in
                _ = unsafe crypto_kdf_derive_from_key(subkey, Self.byteCount, id, name, own)
            }
        }
    }

    /// The same as ``withBytes(_:)`` in the shape libsodium takes.
    @inline(__always)
    func withPointer<R>(_ body: (UnsafePointer<UInt8>) -> R) -> R {
        withExtendedLifetime(self) { unsafe body(UnsafePointer(slot)) }
    }
}

/// The key of one owner, with the version that its records name.
package struct OwnerKey: Sendable {
    package let version: UInt32
    package let key: GuardedKey
    /// While records are sealed anew: the key that the rest of them still needs.
    private let previous: (version: UInt32, key: GuardedKey)?

    package init(version: UInt32, key: GuardedKey, previous: (version: UInt32, key: GuardedKey)? = nil) {
        self.version = version
        self.key = key
        self.previous = previous
    }

    /// The key of one version. Nil: that version was destroyed, or never was.
    func key(ofVersion wanted: UInt32?) -> GuardedKey? {
        if wanted == version { return key }
        return previous.flatMap { $0.version == wanted ? $0.key : nil }
    }
}
