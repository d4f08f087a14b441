import JOSE
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
    /// The `alg` values of assertions that are accepted.
    public let algorithms = JWSAlgorithm.allCases.map(\.rawValue)

    /// What an assertion may call itself.
    private static let types = ["jwt", "client-authentication+jwt"]

    public init() {}

    public func claimedClient(of assertion: SecretBytes) -> String? {
        (try? CompactJWS(assertion))?.payload["sub"]?.string
    }

    public func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion {
        let jws: CompactJWS
        do throws(JWSFault) {
            jws = try CompactJWS(assertion)
            try await jws.verify(with: keySet, types: Self.types)
        } catch { throw ClientAssertionRefusal(error) }
        return try AssertionClaims.verified(jws.payload, from: clientID, audiences: audiences, at: now)
    }
}

extension ClientAssertionRefusal {
    fileprivate init(_ fault: JWSFault) {
        self =
            switch fault {
            case .malformed: .malformed
            case .algorithm: .algorithm
            case .unknownKey: .unknownKey
            case .unusableKey: .unusableKey
            case .signature: .signature
            }
    }
}

/// The claims of an assertion by which a client authenticates (RFC 7523 section 3), checked at one moment.
enum AssertionClaims {
    /// How far ahead `exp` may be. An hour, because deployed libraries sign for that long unless told
    /// otherwise; more would only make the list of used identifiers long.
    static let longestLife = Duration.seconds(3600)
    /// By how much a client's clock may be ahead of ours.
    static let clockSkew = Duration.seconds(60)
    /// `jti`, in bytes.
    static let identifierBytes = 1...256

    static func verified(
        _ claims: JSONValue, from clientID: String, audiences: [String], at now: VaultInstant
    ) throws(ClientAssertionRefusal) -> VerifiedAssertion {
        // RFC 7523 section 3 (2): "For client authentication, the subject MUST be the "client_id" of the OAuth client";
        // OpenID Connect Core section 9 asks the same of `iss`.
        for name in ["iss", "sub"] {
            guard claims[name]?.string?.hasSameOctets(as: clientID) == true else { throw .claims }
        }
        guard Self.names(claims["aud"], oneOf: audiences) else { throw .audience }
        guard let expiresAt = try Self.instant("exp", of: claims) else { throw .claims }
        // RFC 7523 section 3 (4): "The authorization server MAY reject JWTs with an "exp" claim value that is
        // unreasonably far in the future."
        guard expiresAt > now, expiresAt <= now.advanced(by: Self.longestLife + Self.clockSkew) else {
            throw .expired
        }
        let latest = now.advanced(by: Self.clockSkew)
        if let notBefore = try Self.instant("nbf", of: claims), notBefore > latest { throw .expired }
        if let issuedAt = try Self.instant("iat", of: claims), issuedAt > latest || issuedAt > expiresAt {
            throw .expired
        }
        guard let identifier = claims["jti"]?.string, Self.identifierBytes.contains(identifier.utf8.count)
        else { throw .claims }
        return VerifiedAssertion(identifier: identifier, expiresAt: expiresAt)
    }

    /// RFC 7519 section 4.1.3: a string, or an array of strings.
    private static func names(_ claim: JSONValue?, oneOf audiences: [String]) -> Bool {
        let named = claim?.string.map { [$0] } ?? claim?.array?.compactMap(\.string) ?? []
        return named.contains { name in audiences.contains { $0.hasSameOctets(as: name) } }
    }

    /// RFC 7519 section 2, NumericDate: seconds, "non-integer values can be represented".
    private static func instant(
        _ name: String, of claims: JSONValue
    ) throws(ClientAssertionRefusal) -> VaultInstant? {
        guard let claim = claims[name] else { return nil }
        // The year 9999: past it is no date, and its milliseconds are still exact.
        guard let seconds = claim.number, (0...253_402_300_799).contains(seconds) else { throw .claims }
        return VaultInstant(millisecondsSince1970: Int64(seconds * 1000))
    }
}
