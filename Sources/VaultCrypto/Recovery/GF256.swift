/// Arithmetic in GF(2⁸) modulo x⁸ + x⁴ + x³ + x + 1, the field of AES and of Shamir's scheme over bytes.
///
/// No table is looked up and no branch taken on an operand: time and memory accesses are the same for all values.
package enum GF256 {
    package static func multiply(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var (product, factor, rest): (UInt8, UInt8, UInt8) = (0, left, right)
        for _ in 0..<8 {
            product ^= factor & (0 &- (rest & 1))
            let reduction = 0x1B & (0 &- (factor >> 7))
            factor = factor << 1 ^ reduction
            rest >>= 1
        }
        return product
    }

    /// The inverse of `value`; 0 for 0.
    package static func invert(_ value: UInt8) -> UInt8 {
        // value²⁵⁴, as 254 = 2 + 4 + … + 128.
        var (power, result): (UInt8, UInt8) = (value, 1)
        for _ in 1..<8 {
            power = multiply(power, power)
            result = multiply(result, power)
        }
        return result
    }
}
