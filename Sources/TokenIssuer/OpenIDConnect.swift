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
    ///   - keySet: the client's JWK Set, registered or fetched.
    ///   - audiences: what `aud` may be: the issuer, or the URL of the token endpoint.
    /// - Throws: ``ClientAssertionRefusal``.
    func verify(
        _ assertion: SecretBytes, from clientID: String, keySet: String, audiences: [String],
        now: VaultInstant
    ) async throws(ClientAssertionRefusal) -> VerifiedAssertion
}

/// What is left to check of an assertion: that its identifier is new.
public struct VerifiedAssertion: Sendable {
    /// The identifier of the assertion (`jti`).
    public let identifier: String
    public let expiresAt: VaultInstant

    public init(identifier: String, expiresAt: VaultInstant) {
        self.identifier = identifier
        self.expiresAt = expiresAt
    }
}

/// The reason why an assertion was refused: the raw value is the word in the log.
public enum ClientAssertionRefusal: String, Error, Sendable, CaseIterable {
    case malformed = "assertion_malformed"
    case algorithm = "assertion_algorithm"
    /// No registered key has that name, or several keys have it.
    case unknownKey = "assertion_unknown_key"
    /// The key is registered and cannot verify assertions, or no registered key can.
    case unusableKey = "assertion_unusable_key"
    case signature = "assertion_signature"
    case claims = "assertion_claims"
    case expired = "assertion_expired"
    case audience = "assertion_audience"
}

/// Signs id_tokens; what ``TokenIssuer`` needs of OpenID Connect and leaves to a module above it.
public protocol IDTokenMinting: Sendable {
    /// The compact JWS, signed by the current key of `algorithm`.
    ///
    /// - Throws: ``VaultError/Code/unavailable`` when there is no such key.
    func mint(_ claims: IDTokenClaims, algorithm: SigningAlgorithm) async throws -> SecretBytes

    /// The public keys, current and retired ones that tokens may still carry: a JWK Set (RFC 7517 section 5).
    func keySet() async throws -> [UInt8]

    /// Reads an id_token that a client sends back as a hint (`id_token_hint`, OpenID Connect Core section 3.1.2.1).
    ///
    /// - Returns: Nil unless a key that is still published signed it, for this issuer. Its end may be over.
    func read(hint token: SecretBytes, issuer: String) async throws -> IDTokenHint?

    /// Algorithms there is a current key for.
    func algorithms() async throws -> [SigningAlgorithm]
}

/// What an id_token of ours that comes back as a hint says.
public struct IDTokenHint: Sendable, Equatable {
    /// The user it is about (`sub`).
    public let subject: String
    /// The client it was issued to (`aud`), by client_id.
    public let client: String

    public init(subject: String, client: String) { (self.subject, self.client) = (subject, client) }
}

/// The claims of one id_token (OpenID Connect Core section 2).
public struct IDTokenClaims: Sendable {
    /// The longest lifetime of an id_token, which a client checks at once. A retired signing key must
    /// stay published for as long.
    public static let longestLife = Duration.seconds(3600)

    /// The issuer (`iss`).
    public var issuer: String
    /// The user (`sub`).
    public var subject: String
    /// The client it is for (`aud`), by client_id.
    public var audience: String
    /// The time it was signed (`iat`).
    public var issuedAt: VaultInstant
    /// The time it ends (`exp`).
    public var expiresAt: VaultInstant
    /// The time the user signed in, in seconds since 1970 (`auth_time`).
    public var authenticationTime: Int64?
    /// The nonce of the authorization request; not repeated at refresh.
    public var nonce: String?
    /// `at_hash`, computed by the minter with the hash of its algorithm, is over this.
    public var accessToken: SecretBytes?
    /// Claims about the user, by the scope granted (OpenID Connect Core section 5.4). Those above are not replaced by them.
    public var additional: [String: ClaimValue] = [:]

    public init(
        issuer: String, subject: String, audience: String, issuedAt: VaultInstant, expiresAt: VaultInstant
    ) {
        self.issuer = issuer
        self.subject = subject
        self.audience = audience
        self.issuedAt = issuedAt
        self.expiresAt = expiresAt
    }
}
