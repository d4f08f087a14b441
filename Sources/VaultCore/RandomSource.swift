/// Where randomness comes from. The one real source is libsodium's; tests may repeat a seed.
public protocol RandomSource: Sendable {
    /// `count` unpredictable octets.
    func bytes(_ count: Int) -> [UInt8]
}
