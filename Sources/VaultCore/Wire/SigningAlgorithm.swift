/// How an id_token is signed (RFC 7518 section 3.1, RFC 8037): the raw value is the `alg` of its header.
public enum SigningAlgorithm: String, Codable, Sendable, CaseIterable {
    /// RSASSA-PKCS1-v1_5 with SHA-256, 2048 bits: what every client understands (OpenID Connect Core section 15.1).
    case rs256 = "RS256"
    /// ECDSA on P-256 with SHA-256.
    case es256 = "ES256"
    /// Ed25519.
    case edDSA = "EdDSA"
}
