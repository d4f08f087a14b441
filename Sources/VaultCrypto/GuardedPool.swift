import CSodium
import Synchronization

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
