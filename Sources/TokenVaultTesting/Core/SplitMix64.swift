import VaultCore

/// Everything random of a scripted server, from one number: what failed with a seed fails with it again.
struct SplitMix64: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    /// From 0 up to but not including 1.
    mutating func fraction() -> Double { Double(next() >> 11) / Double(1 << 53) }

    /// 32 characters of base64url behind a prefix that tells a reader what it is.
    mutating func token(_ prefix: String) -> String {
        var bytes: [UInt8] = []
        for _ in 0..<3 { withUnsafeBytes(of: next().bigEndian) { bytes += $0 } }
        return prefix + Base64URL.encodeToString(bytes)
    }
}
