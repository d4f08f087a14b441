import Foundation

/// SplitMix64: random numbers that can be had again. `TOKENVAULT_SEED` chooses the seed of every test that would draw one.
package struct SeededGenerator: RandomNumberGenerator, Sendable {
    package let seed: UInt64
    private var state: UInt64

    package init(seed: UInt64) {
        self.seed = seed
        state = seed
    }

    /// A fresh seed, printed with the test's name, so that a failure can be played again.
    package init(_ name: String) {
        let chosen = ProcessInfo.processInfo.environment["TOKENVAULT_SEED"].flatMap { UInt64($0) }
        self.init(seed: chosen ?? .random(in: 0..<1 << 32))
        print("\(name): TOKENVAULT_SEED=\(seed)")
    }

    package mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    package mutating func bytes(_ count: Int) -> [UInt8] {
        (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
    }

    /// A number below `bound`; the bias is of no interest to tests.
    package mutating func below(_ bound: Int) -> Int { Int(next() % UInt64(bound)) }

    package mutating func pick<Element>(_ elements: [Element]) -> Element { elements[below(elements.count)] }
}
