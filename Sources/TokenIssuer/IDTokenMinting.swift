public import TokenVault
public import VaultCore

/// Signs id_tokens; what ``TokenIssuer`` needs of OpenID Connect and leaves to a module above it.
public protocol IDTokenMinting: Sendable {
    /// The compact JWS, signed by the current key of `algorithm`.
    ///
    /// - Throws: ``VaultError/Code/unavailable`` when there is no such key.
    func mint(_ claims: IDTokenClaims, algorithm: SigningAlgorithm) async throws -> SecretBytes

    /// The public keys, current and retired ones that tokens may still carry: a JWK Set (RFC 7517 section 5).
    func keySet() async throws -> [UInt8]

    /// Algorithms there is a current key for.
    func algorithms() async throws -> [SigningAlgorithm]
}

/// The claims of one id_token (OpenID Connect Core section 2).
public struct IDTokenClaims: Sendable {
    /// No id_token lives longer: it says who signed in, and is looked at once. A retired signing key must
    /// stay published for as long.
    public static let longestLife = Duration.seconds(3600)

    /// The issuer (`iss`).
    public var issuer: String
    /// The user (`sub`).
    public var subject: String
    /// The client it is for (`aud`), by client_id.
    public var audience: String
    /// When it was signed (`iat`).
    public var issuedAt: VaultInstant
    /// When it ends (`exp`).
    public var expiresAt: VaultInstant
    /// When the user signed in, in seconds since 1970 (`auth_time`).
    public var authenticationTime: Int64?
    /// As the authorization request had it; not repeated at refresh.
    public var nonce: String?
    /// `at_hash`, computed by the minter with the hash of its algorithm, is over this.
    public var accessToken: SecretBytes?
    /// Claims about the user, where no access token is given to ask for them with (OpenID Connect Core
    /// section 5.4). Those above are not replaced by them.
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
