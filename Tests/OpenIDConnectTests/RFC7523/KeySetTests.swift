import Foundation
import OpenIDConnect
import Testing
import VaultCore

/// RFC 7517 section 5: the key sets that clients register.
@Suite struct `RFC 7517 section 5, registered key sets` {
    private func message(_ text: String) -> String? {
        do throws(VaultError) {
            try ClientKeySet.check(text)
            return nil
        } catch {
            #expect(error.code == .invalidInput)
            return error.message
        }
    }

    @Test func `keys of every accepted kind, with members nobody knows`() async throws {
        let keys = [
            try await ClientKey.rsa().jwk, try await ClientKey.es256().jwk, try await ClientKey.edDSA().jwk,
        ].map { ($0 as [String: Any]).merging(["x5t": "abc", "new": ["a": 1]]) { $1 } }
        #expect(message(try keySet(keys)) == nil)
    }

    @Test(arguments: ["d", "p", "q", "dp", "dq", "qi", "oth", "k"])
    func `a private member is refused, and not repeated`(_ name: String) async throws {
        let jwk = try await ClientKey.rsa().jwk.merging([name: "c2VjcmV0"]) { $1 }
        let message = try #require(message(try keySet([jwk])))
        #expect(message.contains("'\(name)'"))
        #expect(!message.contains("c2VjcmV0"))
    }

    @Test func `RSA keys are 2048 bits at least, with a sound exponent`() async throws {
        func jwk(bits: Int, exponent: [UInt8] = [1, 0, 1]) -> [String: String] {
            let modulus = [UInt8](repeating: 0xFF, count: bits / 8)
            return [
                "kty": "RSA", "n": Published.base64URL(modulus), "e": Published.base64URL(exponent),
                "kid": "1",
            ]
        }
        #expect(message(try keySet([jwk(bits: 2048)])) == nil)
        #expect(message(try keySet([jwk(bits: 1024)]))?.contains("1024 bits") == true)
        #expect(message(try keySet([jwk(bits: 2040)]))?.contains("2040 bits") == true)
        #expect(message(try keySet([jwk(bits: 16384)])) != nil)
        for exponent in [[1], [2], [1, 0, 0], [0, 1, 0, 1], [1, 0, 0, 0, 1], []] as [[UInt8]] {
            #expect(message(try keySet([jwk(bits: 2048, exponent: exponent)])) != nil, "\(exponent)")
        }
    }

    @Test func `points that are not on their curve`() throws {
        for y in ["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1", "x_FE", ""] {
            #expect(message(try keySet([Published.es256Key.merging(["y": y]) { $1 }])) != nil)
        }
        #expect(message(try keySet([["kty": "OKP", "crv": "Ed25519", "x": "AAAA"]])) != nil)
    }

    @Test(arguments: [
        "", "{}", "[]", "null", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[1]}"#, #"{"keys":[{}]}"#,
        #"{"keys":[{"kty":"oct","kid":"1"}]}"#, #"{"keys":[{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}]}"#,
        #"{"keys":[{"kty":"OKP","crv":"X25519","x":"AA"}]}"#, #"{"keys":[{"kty":"rsa"}]}"#,
        #"{"keys":[],"keys":[]}"#,
    ])
    func `no key set`(_ text: String) {
        #expect(message(text) != nil)
    }

    @Test func `identifiers differ, and one key is for signatures`() async throws {
        let (one, two) = (try await ClientKey.es256("same"), try await ClientKey.edDSA("same"))
        #expect(message(try keySet([one.jwk, two.jwk]))?.contains("Key 2") == true)
        #expect(message(try keySet([one.members, two.members])) == nil)
        #expect(message(try keySet([one.jwk.merging(["use": "enc"]) { $1 }])) != nil)
        let keys = (0..<33).map { number in one.jwk.merging(["kid": "\(number)"]) { $1 } }
        #expect(message(try keySet(keys))?.contains("32 keys") == true)
        #expect(message(try keySet(Array(keys.dropLast()))) == nil)
        for odd in [["kid": 1], ["use": ["sig"]], ["alg": 7], ["key_ops": "verify"], ["kid": ""]]
            as [[String: Any]]
        {
            #expect(message(try keySet([(one.jwk as [String: Any]).merging(odd) { $1 }])) != nil, "\(odd)")
        }
        #expect(message(String(repeating: " ", count: 16 * 1024) + "{}")?.contains("16384 bytes") == true)
    }
}
