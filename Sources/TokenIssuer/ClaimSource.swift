public import TokenVault
public import VaultCore

/// Where an issuer takes from what it tells clients about a user, by the scope that the user granted (OpenID Connect Core
/// section 5.4).
///
/// ```swift
/// let claims = ClaimSource(["email", "email_verified"]) { user, scope in
///     scope.names.contains("email") ? ["email": "\(user.name)@example.com", "email_verified": true] : [:]
/// }
/// ```
///
/// `sub` is the issuer's own, and so are the other claims of an id_token that say who issued it to whom and when:
/// values the host gives for them are not used.
public struct ClaimSource: Sendable {
    /// Claims with nothing but `sub`.
    public static let none = ClaimSource(names: [], .nothing)

    /// What the vault keeps of its users (``UserClaims``), by the scopes `profile` and `email`. `preferred_username` is the
    /// user's name in the vault where no other is set.
    public static let ofVault = ClaimSource(names: UserClaims.names, .vault)

    /// The claims there may be, for metadata.
    package let names: [String]
    private let source: Source

    private enum Source {
        case nothing
        case vault
        case host(@Sendable (User, ScopeSet) async throws -> [String: ClaimValue])
    }

    private init(names: [String], _ source: Source) { (self.names, self.source) = (names, source) }

    /// - Parameters:
    ///   - names: the claims there may be; metadata lists them.
    ///   - source: asked at every userinfo request, and for every id_token whose scope is more than `openid`; what it
    ///     throws becomes a 503.
    public init(
        _ names: [String] = [],
        source: @escaping @Sendable (User, ScopeSet) async throws -> [String: ClaimValue]
    ) {
        self.init(names: names.filter { !Self.reserved.contains($0) }, .host(source))
    }

    /// Whether an id_token of this scope may say more than who signed in: a refresh without such a scope looks nothing up.
    func isAsked(by scope: ScopeSet) -> Bool {
        switch source {
        case .nothing: false
        case .vault: scope.names.contains("profile") || scope.names.contains("email")
        case .host: scope.names.contains { $0 != TokenIssuer.openIDScope }
        }
    }

    /// The claims of `user` that `scope` lets a client read, those of the issuer left out.
    func about(_ user: User, within scope: ScopeSet, in vault: Vault) async throws -> [String: ClaimValue] {
        switch source {
        case .nothing: return [:]
        case .vault:
            guard isAsked(by: scope) else { return [:] }
            return try await vault.users.claims(of: user.id).told(within: scope, ofUser: user.name)
        case .host(let source):
            return try await source(user, scope).filter { !Self.reserved.contains($0.key) }
        }
    }

    /// OpenID Connect Core sections 2 and 5.1, RFC 7519 section 4.1.
    private static let reserved: Set<String> = [
        "iss", "sub", "aud", "exp", "nbf", "iat", "jti", "auth_time", "nonce", "acr", "amr", "azp", "at_hash",
        "c_hash",
    ]
}

/// A value of a claim: a JSON value without fractions.
public enum ClaimValue: Sendable, Hashable {
    case string(String)
    case bool(Bool)
    case integer(Int64)
    case array([ClaimValue])
    case object([String: ClaimValue])
}

extension ClaimValue: Encodable {
    public func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .string(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .integer(let value): try container.encode(value)
        case .array(let values): try container.encode(values)
        case .object(let members): try container.encode(members)
        }
    }
}

extension ClaimValue: ExpressibleByStringLiteral, ExpressibleByBooleanLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByArrayLiteral, ExpressibleByDictionaryLiteral
{
    public init(stringLiteral value: String) { self = .string(value) }

    public init(booleanLiteral value: Bool) { self = .bool(value) }

    public init(integerLiteral value: Int64) { self = .integer(value) }

    public init(arrayLiteral elements: ClaimValue...) { self = .array(elements) }

    /// Makes claims from a literal. The last value of a repeated name counts.
    public init(dictionaryLiteral elements: (String, ClaimValue)...) {
        self = .object(Dictionary(elements) { _, last in last })
    }
}
