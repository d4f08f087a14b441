import Foundation
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import VaultCore

/// RFC 7517 section 5: the key sets that clients register.
@Suite(.bounded) struct `RFC 7517 section 5, registered key sets` {
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
            try await ClientKey.rsa().jwk, try await ClientKey.es256().jwk, try await ClientKey.es384().jwk,
            try await ClientKey.edDSA().jwk,
        ].map { ($0 as [String: Any]).merging(["x5t": "abc", "new": ["a": 1]]) { $1 } }
        #expect(message(try keySet(keys)) == nil)
    }

    @Test(arguments: ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"])
    func `a private member is refused, and not repeated`(_ name: String) async throws {
        let good = try await ClientKey.es256().jwk
        // Also in a key of a kind that is passed over: it is out all the same.
        let jwk = ["kty": "AKP", "kid": "2", name: "c2VjcmV0"]
        let message = try #require(message(try keySet([good, jwk])))
        #expect(message.contains("Key 2"))
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

    @Test func `points that are not on their curve`() async throws {
        for y in ["x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1", "x_FE", ""] {
            #expect(message(try keySet([Published.es256Key.merging(["y": y]) { $1 }])) != nil)
        }
        // A point of one curve, said to be of the other; and twice the same coordinate.
        let key = try await ClientKey.es384().members
        #expect(message(try keySet([key.merging(["crv": "P-256"]) { $1 }])) != nil)
        #expect(message(try keySet([Published.es256Key.merging(["crv": "P-384"]) { $1 }])) != nil)
        #expect(message(try keySet([key.merging(["y": key["x"] ?? ""]) { $1 }])) != nil)
        #expect(message(try keySet([["kty": "OKP", "crv": "Ed25519", "x": "AAAA"]])) != nil)
    }

    /// Keys that are right and not for us, and keys that are wrong.
    private static let others: [(text: String, reason: String)] = [
        (#"{"kty":"AKP","alg":"ML-DSA-65","pub":"AAAA"}"#, "kty"), (#"{"kty":"rsa"}"#, "kty"), ("{}", "kty"),
        (#"{"kty":"oct"}"#, "shared secret"), (#"{"kty":"EC","crv":"P-521","x":"AA","y":"AA"}"#, "P-384"),
        (#"{"kty":"EC","crv":"P-384","x":"AA","y":"AA"}"#, "'x'"),
        (#"{"kty":"OKP","crv":"X25519","x":"AA"}"#, "Ed25519"),
        (#"{"kty":"RSA","n":"AA","e":"AQAB"}"#, "'n'"),
        (#"{"kty":"EC","crv":"P-256"}"#, "'x'"), (#"{"kty":"OKP","crv":"Ed25519","x":"AAAA"}"#, "'x'"),
    ]

    /// What its owner says of a good key so that it is not for us.
    private static let purposes: [(members: [String: any Sendable], reason: String)] = [
        (["use": "enc"], "use"), (["use": ["sig"]], "'use'"), (["alg": "RSA-OAEP"], "alg"),
        (["alg": "ES512"], "alg"), (["alg": "RS256"], "alg"), (["alg": 7], "'alg'"),
        (["key_ops": ["encrypt"]], "key_ops"), (["key_ops": "verify"], "key_ops"), (["kid": 1], "'kid'"),
        (["kid": ""], "kid"), (["kid": String(repeating: "k", count: 257)], "kid"),
    ]

    @Test func `keys that cannot verify are passed over beside one that can, and named`() async throws {
        let good = try await ClientKey.es256("good")
        let other = try await ClientKey.es256("other")
        var keys = Self.others.map { (object($0.text), $0.reason) }
        keys += Self.purposes.map {
            ((other.jwk as [String: Any]).merging($0.members as [String: Any]) { $1 }, $0.reason)
        }
        for (jwk, reason) in keys {
            for (set, place) in [([good.jwk, jwk], 2), ([jwk, good.jwk], 1)] as [([[String: Any]], Int)] {
                let unused = try ClientKeySet.check(try keySet(set))
                #expect(unused.map(\.place) == [place], "\(jwk)")
                #expect(unused.first?.reason.contains(reason) == true, "\(jwk): \(unused)")
                #expect(try await refusal(of: good.sign(Claims()), set) == nil, "\(jwk)")
            }
            // By itself it is of no use: registered, it could only fail later.
            let message = try #require(message(try keySet([jwk])), "\(jwk)")
            #expect(message.contains("Key 1: ") && message.contains(reason), "\(message)")
        }
    }

    @Test func `a key that is passed over verifies nothing, and the log says so`() async throws {
        let (good, other) = (try await ClientKey.es256("good"), try await ClientKey.es256("other"))
        for (members, _) in Self.purposes where members["kid"] == nil {
            let jwk = (other.jwk as [String: Any]).merging(members as [String: Any]) { $1 }
            #expect(
                try await refusal(of: other.sign(Claims()), [good.jwk, jwk]) == .unusableKey, "\(members)")
            #expect(try await refusal(of: other.sign(Claims()), [jwk]) == .unusableKey, "\(members)")
        }
        #expect(try await refusal(of: other.sign(Claims()), [good.jwk]) == .unknownKey)
        // Sets that were registered before they were checked.
        for text in ["", "{}", #"{"keys":[]}"#, #"{"keys":[{"kty":"AKP"}]}"#, #"{"keys":[{"d":"AA"}]}"#] {
            await #expect(throws: ClientAssertionRefusal.unusableKey, "\(text)") {
                try await AssertionVerifier().verify(
                    SecretBytes(copying: try good.sign(Claims())), from: Claims.client, keySet: text,
                    audiences: [Claims.issuer], now: Claims.now)
            }
        }
    }

    @Test func `a set of many bad keys is refused in few words`() throws {
        let keys = (0..<32).map { _ in object(Self.others[0].text) }
        let message = try #require(message(try keySet(keys)))
        #expect(message.contains("Key 4: ") && !message.contains("Key 5: "))
    }

    private func object(_ text: String) -> [String: Any] {
        let object = try? JSONSerialization.jsonObject(with: Data(text.utf8))
        return object as? [String: Any] ?? [:]
    }

    @Test(arguments: [
        "", "{}", "[]", "null", #"{"keys":{}}"#, #"{"keys":[]}"#, #"{"keys":[1]}"#, #"{"keys":[{}]}"#,
        #"{"keys":[],"keys":[]}"#, #"{"keys":[null]}"#, #"{"kty":"RSA","n":"AA","e":"AQAB"}"#,
    ])
    func `no key set`(_ text: String) {
        #expect(message(text) != nil)
    }

    @Test func `no two keys are mistaken for each other`() async throws {
        let (one, two) = (try await ClientKey.es256("same"), try await ClientKey.edDSA("same"))
        let three = try await ClientKey.es256("same")
        // RFC 7517 section 4.5: keys of different kinds may share a kid.
        #expect(message(try keySet([one.jwk, two.jwk])) == nil)
        #expect(message(try keySet([one.members, two.members])) == nil)
        for (first, second) in [(one.jwk, three.jwk), (one.members, three.members)] {
            #expect(message(try keySet([first, two.jwk, second]))?.contains("Keys 1 and 3") == true)
            // One that is passed over confuses nothing.
            #expect(message(try keySet([first, two.jwk, second.merging(["use": "enc"]) { $1 }])) == nil)
        }
        #expect(message(try keySet([one.jwk, three.members])) == nil)
        let rsa = try await ClientKey.rsa("same").jwk
        let algorithms = ["RS256", "RS384", "PS256", "PS384"].map { name in rsa.merging(["alg": name]) { $1 }
        }
        #expect(message(try keySet(algorithms)) == nil)
    }

    @Test func `one key is for signatures, and there are 32 at most`() async throws {
        let one = try await ClientKey.es256()
        #expect(message(try keySet([one.jwk.merging(["use": "enc"]) { $1 }]))?.contains("use") == true)
        let keys = (0..<33).map { number in one.jwk.merging(["kid": "\(number)"]) { $1 } }
        #expect(message(try keySet(keys))?.contains("32 keys") == true)
        #expect(message(try keySet(Array(keys.dropLast()))) == nil)
        #expect(message(String(repeating: " ", count: 16 * 1024) + "{}")?.contains("16384 bytes") == true)
    }
}
