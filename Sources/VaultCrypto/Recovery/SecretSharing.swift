/// Shamir's secret sharing ("How to Share a Secret", 1979) of a 256-bit key, byte by byte over GF(2⁸). Byte b
/// of the share at x is p(x), where p is a random polynomial of degree threshold − 1 with p(0) = byte b of
/// the key. Any `threshold` shares give the key; fewer say nothing about it, whatever the computer.
package enum SecretSharing {
    /// The shares at 1 … `count`; `coefficients` are random keys, used for this once, one fewer than the threshold.
    package static func split(
        _ secret: GuardedKey, coefficients: [GuardedKey], count: Int
    ) -> [GuardedKey] {
        precondition((1...255).contains(count), "a share stands at one of 255 places")
        return (1...count).map { place in
            value(of: [secret] + coefficients, at: UInt8(truncatingIfNeeded: place))
        }
    }

    /// The key of shares at different places. Shares that do not belong together give a key, too, just
    /// another one.
    package static func combine(_ shares: [(place: UInt8, value: GuardedKey)]) -> GuardedKey {
        unsafe GuardedKey { slot in
            unsafe slot.update(repeating: 0, count: GuardedKey.byteCount)
            for share in shares {
                // Lagrange's basis at 0; in this field minus is plus, and plus is exclusive or.
                var weight: UInt8 = 1
                for other in shares where other.place != share.place {
                    let quotient = GF256.multiply(other.place, GF256.invert(other.place ^ share.place))
                    weight = GF256.multiply(weight, quotient)
                }
                unsafe share.value.withPointer { value in
                    for index in 0..<GuardedKey.byteCount {
                        unsafe slot[index] ^= GF256.multiply(weight, value[index])
                    }
                }
            }
        }
    }

    /// Horner's rule, from the highest coefficient down.
    private static func value(of polynomial: [GuardedKey], at place: UInt8) -> GuardedKey {
        unsafe GuardedKey { slot in
            unsafe slot.update(repeating: 0, count: GuardedKey.byteCount)
            for coefficient in polynomial.reversed() {
                unsafe coefficient.withPointer { coefficient in
                    for index in 0..<GuardedKey.byteCount {
                        unsafe slot[index] = GF256.multiply(slot[index], place) ^ coefficient[index]
                    }
                }
            }
        }
    }
}
