public import VaultCore

/// Verifies `private_key_jwt` (RFC 7523 section 3); what ``TokenIssuer`` needs and leaves to a module above it.
public protocol ClientAssertionVerifying: Sendable {
    /// `alg` of the assertions that are accepted, for metadata.
    var algorithms: [String] { get }

    /// Who a client assertion says it is from, unverified: only to look up the keys to verify it with.
    func claimedClient(of assertion: SecretBytes) -> String?

    /// Checks signature, `iss` = `sub` = client, `aud`, `exp` and `nbf`; not whether it was used before.
    ///
    /// - Parameters:
    ///   - keySet: the client's registered JWK Set.
    ///   - audiences: what `aud` may be: the issuer, or the URL of the token endpoint.
    /// - Throws: ``ClientAssertionRefusal``.
    func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion
}

/// What is left to check of an assertion: that its identifier is new.
public struct VerifiedAssertion: Sendable {
    /// Its name (`jti`).
    public let identifier: String
    public let expiresAt: VaultInstant

    public init(identifier: String, expiresAt: VaultInstant) {
        self.identifier = identifier
        self.expiresAt = expiresAt
    }
}

/// Why an assertion was refused: the raw value is the word in the log.
public enum ClientAssertionRefusal: String, Error, Sendable, CaseIterable {
    case malformed = "assertion_malformed"
    case algorithm = "assertion_algorithm"
    /// No registered key has that name, or more than one key could be meant.
    case unknownKey = "assertion_unknown_key"
    /// The key is registered and cannot verify assertions, or no registered key can.
    case unusableKey = "assertion_unusable_key"
    case signature = "assertion_signature"
    case claims = "assertion_claims"
    case expired = "assertion_expired"
    case audience = "assertion_audience"
}
