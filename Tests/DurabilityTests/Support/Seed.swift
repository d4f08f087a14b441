import Foundation

/// Random numbers that can be had again: the seed is printed, and taken from DURABILITY_SEED when that is set.
struct SeededGenerator: RandomNumberGenerator {
    let seed: UInt64
    private var state: UInt64

    init(_ name: String) {
        let chosen = ProcessInfo.processInfo.environment["DURABILITY_SEED"].flatMap { UInt64($0) }
        seed = chosen ?? UInt64.random(in: 0..<1 << 32)
        state = seed
        print("\(name): DURABILITY_SEED=\(seed)")
    }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
        return mixed ^ mixed >> 31
    }
}
