public import TokenVault
public import VaultCore

/// A request for tokens that was read and not yet judged: what ``TokenIssuer/redeem(_:redirectURI:codeVerifier:for:from:)``,
/// ``TokenIssuer/refresh(_:scope:for:from:)`` and ``TokenIssuer/issue(scope:for:from:)`` ask for.
package struct TokenRequest: Sendable {
    package enum Grant: Sendable {
        case authorizationCode(SecretBytes, redirectURI: String?, codeVerifier: SecretBytes?)
        /// - Parameter scope: nil: what the grant is for.
        case refreshToken(SecretBytes, scope: ScopeSet?)
        /// - Parameter scope: nil: all that the client is registered for.
        case clientCredentials(scope: ScopeSet?)
        /// It lacks something, which only the client that it is from gets to hear.
        case incomplete(GrantType, TokenRequestRefusal, OAuthError)

        var type: GrantType {
            switch self {
            case .authorizationCode: .authorizationCode
            case .refreshToken: .refreshToken
            case .clientCredentials: .clientCredentials
            case .incomplete(let type, _, _): type
            }
        }
    }

    let grant: Grant
    let credentials: ClientCredentials
    let origin: RequestOrigin
    /// It came in a query string, which only ``IssuerProfile/acceptsLegacyGet`` allows.
    let isLegacyGet: Bool

    package init(
        _ grant: Grant, from credentials: ClientCredentials, _ origin: RequestOrigin,
        isLegacyGet: Bool = false
    ) {
        self.grant = grant
        self.credentials = credentials
        self.origin = origin
        self.isLegacyGet = isLegacyGet
    }
}

/// Where a request comes from, as far as the audit log and the throttle of failed authentication want to know.
public struct RequestOrigin: Sendable {
    /// The door that the audit log names.
    public var channel: AuditChannel
    /// Goes into the audit log with the request's entries; nil: none.
    public var requestID: String?
    /// The client's network address, asked for only when an authentication failed before; nil: not known, and failures are
    /// not counted.
    let address: @Sendable () -> String?

    /// Describes a request that does not come from code of the host itself.
    ///
    /// - Parameters:
    ///   - channel: ``TokenVault/AuditChannel/library`` for a call that the host makes on its own account.
    ///   - address: failed authentication is throttled per client and address.
    public init(
        _ channel: AuditChannel, requestID: String? = nil,
        address: @autoclosure @escaping @Sendable () -> String? = nil
    ) {
        self.channel = channel
        self.requestID = requestID
        self.address = address
    }

    /// A call of the host's own code.
    public static let library = RequestOrigin(.library)
}

/// The tokens that answer a request (RFC 6749 section 5.1). What is in here is durable.
public struct TokenResponse: Sendable {
    /// The access token, a bearer token (RFC 6750).
    public let accessToken: SecretBytes
    /// The refresh token; nil: the client is not registered for refresh tokens, or got its access token for itself.
    public let refreshToken: SecretBytes?
    /// The id_token as compact JWS (OpenID Connect Core section 3.1.3.3); nil unless the scope has `openid` and the issuer
    /// signs id_tokens.
    public let idToken: SecretBytes?
    /// What the access token is for: what was asked for, or less.
    public let scope: ScopeSet
    /// When the access token ends.
    public let expiresAt: VaultInstant
    /// Whole seconds until the access token ends, at the time of this answer.
    public let expiresIn: Int64
    /// The grant that the tokens belong to.
    public let grant: GrantID
    /// Whether these tokens were given before, to a request whose answer seems to be lost.
    let isReplayed: Bool

    init(_ tokens: IssuedTokens, idToken: SecretBytes? = nil, isReplayed: Bool = false) {
        accessToken = tokens.pair.accessToken
        refreshToken = tokens.pair.refreshToken
        self.idToken = idToken
        scope = tokens.scope
        expiresAt = tokens.expiresAt
        expiresIn = tokens.expiresIn
        grant = tokens.grant
        self.isReplayed = isReplayed
    }
}
