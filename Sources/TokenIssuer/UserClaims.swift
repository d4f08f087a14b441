public import TokenVault
public import VaultCore

/// What the host tells clients about a user, by the scope that the user granted (OpenID Connect Core section 5.4).
///
/// ```swift
/// let claims = UserClaims(["email", "email_verified"]) { user, scope in
///     scope.names.contains("email") ? ["email": "\(user.name)@example.com", "email_verified": true] : [:]
/// }
/// ```
///
/// `sub` is the issuer's own, and so are the other claims of an id_token that say who issued it to whom and when:
/// values the host gives for them are not used.
public struct UserClaims: Sendable {
    /// No claim but `sub`.
    public static let none = UserClaims { _, _ in [:] }

    /// The claims there may be, for metadata.
    package let names: [String]
    private let source: @Sendable (User, ScopeSet) async throws -> [String: ClaimValue]

    /// - Parameters:
    ///   - names: the claims there may be; metadata lists them.
    ///   - source: asked at every userinfo request; what it throws becomes a 503.
    public init(
        _ names: [String] = [],
        source: @escaping @Sendable (User, ScopeSet) async throws -> [String: ClaimValue]
    ) {
        self.names = names.filter { !Self.reserved.contains($0) }
        self.source = source
    }

    /// The claims of `user` that `scope` lets a client read, those of the issuer left out.
    package func about(_ user: User, within scope: ScopeSet) async throws -> [String: ClaimValue] {
        try await source(user, scope).filter { !Self.reserved.contains($0.key) }
    }

    /// OpenID Connect Core sections 2 and 5.1, RFC 7519 section 4.1.
    private static let reserved: Set<String> = [
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash",
        "c_hash",
    ]
}
