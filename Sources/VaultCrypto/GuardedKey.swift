import CSodium
import Synchronization
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
    /// While records are sealed again: the key that the rest of them still needs.
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

/// Slots of 32 bytes in a few regions of `sodium_malloc`: locked in memory, fenced by guard pages, out of
/// core dumps. One allocation per key would cost four pages and an `mlock` each; a region holds 511 slots and
/// its canary in four. Regions live as long as the process, slots are wiped when given back.
final class GuardedPool: Sendable {
    static let shared = GuardedPool()
    static let slotBytes = 32
    private static let slotsPerRegion = 511

    /// An address in a region. It is a number here because the pool itself never reads through it.
    private let free = Mutex<[UInt]>([])

    func take() -> UnsafeMutablePointer<UInt8> {
        Sodium.require()
        let address = free.withLock { free in
            if free.isEmpty { Self.addRegion(to: &free) }
            return free.removeLast()
        }
        guard let slot = unsafe UnsafeMutablePointer<UInt8>(bitPattern: address) else {
            preconditionFailure("a region of guarded memory never begins at address zero")
        }
        return unsafe slot
    }

    func give(back slot: UnsafeMutablePointer<UInt8>) {
        unsafe sodium_memzero(slot, Self.slotBytes)
        let address = UInt(bitPattern: slot)
        free.withLock { $0.append(address) }
    }

    /// A process that has no memory left for a key stops, as one does that has none left for an array.
    private static func addRegion(to free: inout [UInt]) {
        guard let region = unsafe sodium_malloc(slotsPerRegion * slotBytes) else {
            preconditionFailure("out of guarded memory")
        }
        let first = UInt(bitPattern: region)
        free.reserveCapacity(slotsPerRegion)
        for index in (0..<slotsPerRegion).reversed() { free.append(first + UInt(index * slotBytes)) }
    }
}
