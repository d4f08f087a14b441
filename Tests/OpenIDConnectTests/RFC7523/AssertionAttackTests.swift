import Foundation
import JWTKit
import OpenIDConnect
import TestSupport
import Testing
import TokenIssuer
import VaultCore

/// Attacks on verifiers of JWTs (RFC 8725): each is refused, and for the right reason.
@Suite(.bounded) struct `RFC 8725, attacks with assertions` {
    @Test(arguments: ["none", "None", "NONE", "nOnE", "", "HS256", "HS384", "HS512", "RS1", "ES512", "rs256"])
    func `alg outside the list`(_ name: String) async throws {
        let key = try await ClientKey.rsa()
        let forged = try key.sign(Claims(), header: ["alg": name])
        #expect(try await refusal(of: forged, [key.jwk]) == .algorithm)
        let unsigned = forged.split(separator: ".").dropLast().joined(separator: ".") + "."
        #expect(try await refusal(of: unsigned, [key.jwk]) == .algorithm)
    }

    @Test func `HS256 with the public key as the secret`() async throws {
        let key = try await ClientKey.rsa()
        let pem = try Insecure.RSA.PublicKey(modulus: Published.modulus, exponent: "AQAB").pemRepresentation
        for secret in [pem, try keySet([key.jwk]), Published.modulus] {
            let input = try key.sign(Claims(), header: ["alg": "HS256"]).split(separator: ".").dropLast()
                .joined(separator: ".")
            let keys = JWTKeyCollection()
            await keys.add(hmac: HMACKey(from: secret), digestAlgorithm: .sha256)
            let signature = try await keys.getKey().sign(Array(input.utf8))
            let forged = input + "." + Published.base64URL(signature)
            #expect(try await refusal(of: forged, [key.jwk]) == .algorithm)
        }
    }

    @Test func `an algorithm that does not fit the key`() async throws {
        let (rsa, ec, ed) = (
            try await ClientKey.rsa(), try await ClientKey.es256(), try await ClientKey.edDSA()
        )
        let larger = try await ClientKey.es384()
        let mistaken = [
            (rsa, "ES256"), (rsa, "EdDSA"), (ec, "EdDSA"), (ec, "RS256"), (ed, "ES256"), (ec, "ES384"),
            (larger, "ES256"), (larger, "RS384"),
        ]
        for (key, name) in mistaken {
            let forged = try key.sign(Claims(), header: ["alg": name])
            #expect(try await refusal(of: forged, [rsa.jwk, ec.jwk, larger.jwk, ed.jwk]) == .algorithm)
        }
        // All are for RSA keys, and no signature is another's.
        for name in ["RS384", "PS256", "PS384"] {
            #expect(
                try await refusal(of: rsa.sign(Claims(), header: ["alg": name]), [rsa.jwk]) == .signature)
        }
    }

    @Test func `kid injection`() async throws {
        let key = try await ClientKey.es256()
        let names = [
            "", "ec2", "EC", "ec\u{0}", "../../../dev/null", "ec' OR '1'='1", "/etc/passwd",
            "https://evil.example",
            "e\u{200B}c",
        ]
        for name in names {
            let forged = try key.sign(Claims(), header: ["kid": name])
            #expect(try await refusal(of: forged, [key.jwk]) == .unknownKey, "\(name)")
        }
        for odd in [7, ["ec"], ["ec": 1], true] as [Any] {
            #expect(try await refusal(of: key.sign(Claims(), header: ["kid": odd]), [key.jwk]) == .malformed)
        }
    }

    @Test func `a kid of one key over the signature of another`() async throws {
        let (key, other) = (try await ClientKey.es256("1"), try await ClientKey.es256("2"))
        let forged = try other.sign(Claims(), header: ["kid": "1"])
        #expect(try await refusal(of: forged, [key.jwk, other.jwk]) == .signature)
    }

    @Test func `a key embedded in the header is not looked at`() async throws {
        let (key, thief) = (try await ClientKey.es256("1"), try await ClientKey.es256("thief"))
        let bait: [String: Any] = [
            "jwk": thief.jwk, "jku": "https://evil.example/jwks", "x5u": "https://evil.example/cert",
            "x5c": ["MIIB"],
        ]
        for kid in ["thief", NSNull()] as [Any] {
            let forged = try thief.sign(Claims(), header: bait.merging(["kid": kid]) { $1 })
            let expected: ClientAssertionRefusal = kid is NSNull ? .signature : .unknownKey
            #expect(try await refusal(of: forged, [key.jwk]) == expected)
        }
        // And it does no harm where the signature is good.
        #expect(try await refusal(of: key.sign(Claims(), header: bait), [key.jwk]) == nil)
    }

    @Test func `a token made for something else`() async throws {
        let key = try await ClientKey.es256()
        for type in ["at+jwt", "dpop+jwt", "logout+jwt", "JWS", "", 7] as [Any] {
            #expect(try await refusal(of: key.sign(Claims(), header: ["typ": type]), [key.jwk]) == .malformed)
        }
        for type in ["JWT", "jwt", "client-authentication+jwt"] {
            #expect(try await refusal(of: key.sign(Claims(), header: ["typ": type]), [key.jwk]) == nil)
        }
    }

    @Test func `an extension that must be understood`() async throws {
        let key = try await ClientKey.es256()
        for names in [["b64"], ["exp"], []] {
            let forged = try key.sign(Claims(), header: ["crit": names, "b64": false])
            #expect(try await refusal(of: forged, [key.jwk]) == .malformed)
        }
    }

    @Test func `duplicated claims and header members`() async throws {
        let key = try await ClientKey.es256()
        let header = #"{"alg":"ES256","kid":"ec"}"#
        let now = Claims.now.secondsSince1970
        let claims =
            #""iss":"client-7","sub":"client-7","aud":"https://id.example","jti":"1","exp":\#(now + 60)"#
        #expect(try await refusal(of: key.sign(header: header, payload: "{\(claims)}"), [key.jwk]) == nil)
        let twice = [
            #"{"aud":"https://other.example",\#(claims)}"#, #"{\#(claims),"exp":\#(now + 60)}"#,
            #"{\#(claims),"s\u0075b":"client-8"}"#,
            #"{\#(claims),"x":{"a":1,"a":1}}"#,
        ]
        for payload in twice {
            #expect(
                try await refusal(of: key.sign(header: header, payload: payload), [key.jwk]) == .malformed)
        }
        let doubled = #"{"alg":"none","alg":"ES256","kid":"ec"}"#
        #expect(
            try await refusal(of: key.sign(header: doubled, payload: "{\(claims)}"), [key.jwk]) == .malformed)
    }

    @Test func `a second spelling of the same bytes`() async throws {
        let key = try await ClientKey.edDSA()
        let good = try key.sign(Claims())
        let parts = good.split(separator: ".").map(String.init)
        // An Ed25519 signature leaves four spare bits in its last character.
        let last = try #require(parts[2].last)
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
        let place = try #require(alphabet.firstIndex(of: last))
        let respelled = parts[2].dropLast() + String(alphabet[place ^ 1])
        let others = [
            "\(parts[0]).\(parts[1]).\(respelled)", good + "=", good + "==", " " + good, good + "\n",
            good + ".",
            good.replacing(".", with: ".."), "\(parts[0]).\(parts[1])", parts[0], "", ".", "..", "...",
            parts[0] + "\n" + "." + parts[1] + "." + parts[2],
        ]
        for text in others { #expect(try await refusal(of: text, [key.jwk]) == .malformed, "\(text)") }
        #expect(try await refusal(of: "\(parts[0]).\(parts[1]).", [key.jwk]) == .signature)
        #expect(try await refusal(of: good, [key.jwk]) == nil)
    }

    @Test func `oversize`() async throws {
        let key = try await ClientKey.es256()
        func padded(_ count: Int) throws -> String {
            try key.sign(Claims().with("pad", String(repeating: "x", count: count)))
        }
        let fitting = try padded(11_000)
        #expect(fitting.utf8.count < 16 * 1024)
        #expect(try await refusal(of: fitting, [key.jwk]) == nil)
        #expect(try await refusal(of: padded(13_000), [key.jwk]) == .malformed)
        #expect(try await refusal(of: padded(1_000_000), [key.jwk]) == .malformed)
        let nested = String(repeating: "[", count: 5000)
        #expect(
            try await refusal(of: key.sign(header: #"{"alg":"ES256"}"#, payload: nested), [key.jwk])
                == .malformed)
        let crowd = (0..<1000).map { #""m\#($0)":0"# }.joined(separator: ",")
        #expect(
            try await refusal(of: key.sign(header: #"{"alg":"ES256"}"#, payload: "{\(crowd)}"), [key.jwk])
                == .malformed)
    }

    @Test func `every damaged octet is refused`() async throws {
        let key = try await ClientKey.edDSA()
        let good = Array(try key.sign(Claims()).utf8)
        for place in good.indices {
            var damaged = good
            damaged[place] = damaged[place] == UInt8(ascii: "A") ? UInt8(ascii: "B") : UInt8(ascii: "A")
            let verdict = try await refusal(of: String(decoding: damaged, as: UTF8.self), [key.jwk])
            #expect(verdict != nil, "octet \(place)")
        }
    }
}
