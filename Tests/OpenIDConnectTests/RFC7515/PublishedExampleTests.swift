import JOSE
import TestSupport
import Testing
import TokenIssuer

/// The examples that RFCs print: neither is an assertion for us, so what is refused after a good signature is its
/// claims.
@Suite(.bounded) struct `RFC 7515 appendix A and RFC 7638 section 3.1, published examples` {
    @Test func `A.2, RS256: the signature is good, and a changed one is not`() async throws {
        let key: [String: Any] = ["kty": "RSA", "n": Published.modulus, "e": "AQAB"]
        #expect(try await refusal(of: Published.rs256, [key], from: "joe") == .claims)
        let changed = Published.rs256.replacing(".cC4h", with: ".cC5h")
        #expect(try await refusal(of: changed, [key], from: "joe") == .signature)
    }

    @Test func `A.2: the private key gives the printed token`() async throws {
        let parts = Published.rs256.split(separator: ".")
        let key = try await ClientKey.rsa()
        let token = try key.sign(
            header: #"{"alg":"RS256"}"#,
            payload: String(decoding: Published.octets(String(parts[1])), as: UTF8.self))
        #expect(token == Published.rs256)
    }

    @Test func `A.3, ES256: the signature is good, and a changed one is not`() async throws {
        #expect(try await refusal(of: Published.es256, [Published.es256Key], from: "joe") == .claims)
        let changed = Published.es256.replacing(".DtEh", with: ".DtFh")
        #expect(try await refusal(of: changed, [Published.es256Key], from: "joe") == .signature)
    }

    @Test func `the thumbprint of RFC 7638`() {
        let jwk = PublicJWK.rsa(
            modulus: [0] + Published.octets(Published.thumbprintModulus), exponent: [0, 1, 0, 1])
        #expect(jwk.kid == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        #expect(jwk.text.contains(#""e":"AQAB","kty":"RSA","n":"0vx7"#))
    }

    @Test func `the thumbprint of RFC 8037 appendix A.3`() {
        let point = Published.octets("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo")
        #expect(PublicJWK.ed25519(point: point).kid == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
    }
}
