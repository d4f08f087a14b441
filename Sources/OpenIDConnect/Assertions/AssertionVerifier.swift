public import TokenIssuer
public import VaultCore

/// Verifies `private_key_jwt` with the keys a client has registered (RFC 7523, OpenID Connect Core section 9).
///
/// Keys come from the registered JWK Set and from nowhere else: `jwk`, `jku` and `x5c` in a header are not looked at,
/// and an unknown `kid` is refused rather than tried with another key.
///
/// ```swift
/// let issuer = TokenIssuer(vault: vault, issuer: "https://id.example", assertions: AssertionVerifier())
/// ```
public struct AssertionVerifier: ClientAssertionVerifying {
    /// `alg` of the assertions that are accepted.
    public let algorithms = AssertionAlgorithm.allCases.map(\.rawValue)

    /// What an assertion may call itself: RFC 8725 section 3.11 warns of JWTs made for something else.
    private static let types = ["jwt", "client-authentication+jwt"]

    public init() {}

    public func claimedClient(of assertion: SecretBytes) -> String? {
        (try? CompactJWS(assertion))?.payload["sub"]?.string
    }

    public func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion {
        let jws = try CompactJWS(assertion)
        guard let name = jws.header["alg"]?.string else { throw .malformed }
        guard let algorithm = AssertionAlgorithm(rawValue: name) else { throw .algorithm }
        // RFC 7515 section 4.1.11: extensions in `crit` must be understood, and we understand none.
        guard jws.header["crit"] == nil else { throw .malformed }
        if let type = jws.header["typ"] {
            guard let text = type.string?.lowercased(), Self.types.contains(text) else { throw .malformed }
        }
        let kid = jws.header["kid"]
        guard kid == nil || kid?.string != nil else { throw .malformed }
        let keys: ClientKeySet
        do { keys = try ClientKeySet(keySet) } catch { throw .unusableKey }
        let key = try keys.key(named: kid?.string, for: algorithm)
        guard await key.verifies(jws.signature, over: jws.signingInput, by: algorithm) else {
            throw .signature
        }
        return try AssertionClaims(jws.payload, from: clientID, audiences: audiences, at: now).verified
    }
}
