import TestSupport
import Testing
import TokenIssuer
import VaultCore

/// The JSON in a token is read so that no other reader takes it for something else.
@Suite(.bounded) struct `RFC 8259, JSON in tokens` {
    private func verdict(_ claim: String) async throws -> ClientAssertionRefusal? {
        let key = try await ClientKey.es256()
        let exp = Claims.now.secondsSince1970 + 60
        let payload =
            #"{"iss":"client-7","sub":"client-7","aud":"https://id.example","jti":"1","exp":\#(exp)\#(claim)"#
        return try await refusal(of: key.sign(header: #"{"alg":"ES256"}"#, payload: payload), [key.jwk])
    }

    @Test(arguments: [
        "}", " \t\r\n}\n", #","a":[]}"#, #","a":{}}"#, #","a":[1,-0,0.5,1e3,-1.5E-2]}"#,
        #","a":[true,false,null]}"#,
        #","a":"\"\\\/\b\f\n\r\t\u0041\ud83d\ude00"}"#, #","a":"é😀"}"#, #","a":[[[[[[[1]]]]]]]}"#,
    ])
    func `what the grammar allows`(_ rest: String) async throws {
        #expect(try await verdict(rest) == nil)
    }

    @Test(arguments: [
        "", ",}", ",", "}}", "}x", "} {}", #","a"}"#, #","a":}"#, #","a":[1,]}"#, #","a":[1 2]}"#,
        #","a":{,}}"#,
        #","a":01}"#, #","a":1.}"#, #","a":.5}"#, #","a":+1}"#, #","a":1e}"#, #","a":--1}"#, #","a":0x10}"#,
        #","a":NaN}"#, #","a":1e999}"#, #","a":tru}"#, #","a":TRUE}"#, #","a":'x'}"#, #",a:1}"#,
        #","a":"\x41"}"#, #","a":"\u00g1"}"#, #","a":"\u+041"}"#, #","a":"\ud83d"}"#,
        #","a":"\ude00\ud83d"}"#,
        #","a":"\ud83dx"}"#, #","a":"\u"}"#, #","a":"x}"#, ",\"a\":\"\n\"}", ",\"a\":\"\u{0}\"}", "/**/}",
        "\u{FEFF}}",
        ",\"a\":[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}",
    ])
    func `what it does not`(_ rest: String) async throws {
        #expect(try await verdict(rest) == .malformed)
    }

    @Test func `octets that are not UTF-8`() async throws {
        let key = try await ClientKey.es256()
        let header = Published.base64URL(Array(#"{"alg":"ES256"}"#.utf8))
        for octets in [[0xFF], [0xC0, 0x80], [0xED, 0xA0, 0x80]] as [[UInt8]] {
            let payload = Published.base64URL(Array(#"{"a":""#.utf8) + octets + Array(#""}"#.utf8))
            #expect(try await refusal(of: "\(header).\(payload).AAAA", [key.jwk]) == .malformed)
        }
    }
}
