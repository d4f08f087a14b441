import Testing
import VaultCore
import VaultCrypto

@Suite struct `RFC 4231: HMAC-SHA-256` {
    /// Sections 4.2 to 4.8 without 4.6, which truncates: key, data, code.
    private static let vectors: [(key: [UInt8], data: [UInt8], code: String)] = [
        (
            [UInt8](repeating: 0x0b, count: 20), Array("Hi There".utf8),
            "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
        ),
        (
            Array("Jefe".utf8), Array("what do ya want for nothing?".utf8),
            "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
        ),
        (
            [UInt8](repeating: 0xaa, count: 20), [UInt8](repeating: 0xdd, count: 50),
            "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"
        ),
        (
            Array(1...25), [UInt8](repeating: 0xcd, count: 50),
            "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131),
            Array("Test Using Larger Than Block-Size Key - Hash Key First".utf8),
            "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54"
        ),
        (
            [UInt8](repeating: 0xaa, count: 131),
            Array(
                ("This is a test using a larger than block-size key and a larger than block-size data. "
                    + "The key needs to be hashed before being used by the HMAC algorithm.").utf8),
            "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2"
        ),
    ]

    @Test func `known answers`() {
        for vector in Self.vectors {
            let code = SHA256.hmac(of: [vector.data], key: SecretBytes(vector.key))
            #expect(Hex.encode(code) == vector.code)
        }
    }

    @Test func `parts are taken as if they were one`() {
        for vector in Self.vectors {
            for cut in [0, 1, vector.data.count / 2, vector.data.count] {
                let parts = [Array(vector.data.prefix(cut)), [], Array(vector.data.dropFirst(cut))]
                #expect(Hex.encode(SHA256.hmac(of: parts, key: SecretBytes(vector.key))) == vector.code)
            }
        }
    }

    @Test func `nothing under no key has a code too`() {
        // By another implementation (Python's hmac).
        let code = SHA256.hmac(of: [], key: SecretBytes([]))
        #expect(Hex.encode(code) == "b613679a0814d9ec772f95d778c35fc5ff1697c493715653c6c712144292c5ad")
    }
}
