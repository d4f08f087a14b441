import TestSupport
import Testing
import VaultCore
import VaultCrypto

/// Arithmetic and scheme, against what the textbook says.
@Suite struct `Secret sharing` {
    /// Multiplication of polynomials over GF(2) with remainder, the slow way.
    private func textbook(_ left: UInt8, _ right: UInt8) -> UInt8 {
        var product: UInt32 = 0
        for bit in 0..<8 where right >> bit & 1 == 1 { product ^= UInt32(left) << UInt32(bit) }
        for bit in (8..<16).reversed() where product >> UInt32(bit) & 1 == 1 {
            product ^= 0x11B << UInt32(bit - 8)
        }
        return UInt8(product)
    }

    @Test func `multiplication is that of the field, for every pair`() {
        for left in UInt8.min...UInt8.max {
            for right in UInt8.min...UInt8.max where GF256.multiply(left, right) != textbook(left, right) {
                Issue.record("\(left) times \(right)")
            }
        }
    }

    @Test func `every value but zero has its inverse`() {
        for value in 1...UInt8.max { #expect(GF256.multiply(value, GF256.invert(value)) == 1) }
        #expect(GF256.invert(0) == 0)
    }

    @Test(arguments: [(2, 2), (2, 3), (3, 5), (5, 5), (32, 32)])
    func `any threshold of the shares is the key, one fewer is not`(_ threshold: Int, _ count: Int) throws {
        let key = try RecoveryKey.generate(for: Chosen.vault())
        let shares = try key.split(threshold: threshold, count: count)
        #expect(shares.map(\.index) == Array(1...count))
        var generator = SeededGenerator(seed: UInt64(threshold * 100 + count))
        for _ in 0..<10 {
            let chosen = Array(shares.shuffled(using: &generator).prefix(threshold))
            #expect(try RecoveryKey(combining: chosen).publicKey == key.publicKey)
            #expect(refusal { _ = try RecoveryKey(combining: Array(chosen.dropLast())) } == .locked)
        }
    }

    /// With one share fewer every key is as likely as any other: for each there is one polynomial.
    @Test func `a share says nothing about the key`() throws {
        let secrets = try ["one", "two"].map { try Chosen.key($0) }
        let share = Chosen.bytes("the share that somebody holds, at 1", 32)
        for secret in secrets {
            // p(1) = secret + c, so the coefficient that gives this share:
            let coefficient = try Chosen.key(of: zip(secret.exposed, share).map { $0 ^ $1 })
            let made = SecretSharing.split(secret, coefficients: [coefficient], count: 2)
            #expect(made[0].exposed == share)
        }
    }

    @Test func `a split asks for two at least, and no more than there are`() throws {
        let key = try RecoveryKey.generate(for: Chosen.vault())
        for (threshold, count) in [(1, 3), (0, 0), (4, 3), (2, 33), (-1, 5)] {
            #expect(refusal { _ = try key.split(threshold: threshold, count: count) } == .invalidInput)
        }
        #expect(refusal { _ = try RecoveryKey(combining: []) } == .invalidInput)
    }

    @Test func `two splits share nothing, and neither file nor share shows the key`() throws {
        let key = RecoveryKey(vault: try Chosen.vault(), privateKey: try Chosen.key("private"))
        let (first, second) = (try key.split(threshold: 2, count: 2), try key.split(threshold: 2, count: 2))
        let mixed = [first[0], second[1]]
        #expect(refusal { _ = try RecoveryKey(combining: mixed) } == .invalidInput)
        #expect(!"\(key) \(first)".contains(Hex.encode(Chosen.bytes("private", 32))))
    }
}
