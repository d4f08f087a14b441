public import TokenVault
public import VaultCore

/// A request for tokens that was read and not yet checked, for
/// ``TokenIssuer/redeem(_:redirectURI:codeVerifier:resource:for:from:)``,
/// ``TokenIssuer/refresh(_:scope:resource:for:from:)`` and ``TokenIssuer/issue(scope:resource:for:from:)``.
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
    /// What the access token is to be for; nil: as the grant says.
    let resource: ResourceIdentifier?
    let credentials: ClientCredentials
    let origin: RequestOrigin
    /// It came in a query string, which only ``IssuerProfile/acceptsLegacyGet`` allows.
    let isLegacyGet: Bool

    package init(
        _ grant: Grant, for resource: ResourceIdentifier? = nil, from credentials: ClientCredentials,
        _ origin: RequestOrigin, isLegacyGet: Bool = false
    ) {
        self.grant = grant
        self.resource = resource
        self.credentials = credentials
        self.origin = origin
        self.isLegacyGet = isLegacyGet
    }
}

/// The origin of a request, for the audit log and for the throttle of failed client authentication.
public struct RequestOrigin: Sendable {
    /// The channel that the audit log names.
    public var channel: AuditChannel
    /// The id that the audit log repeats in the entries of this request; nil for none.
    public var requestID: String?
    /// The client's network address, asked for only when an authentication failed before; nil: not known, and failures are
    /// not counted.
    let address: @Sendable () -> String?

    /// Describes a request that a client sent.
    ///
    /// - Parameters:
    ///   - channel: The channel that it came through, such as ``TokenVault/AuditChannel/http``.
    ///   - requestID: The id for the audit log.
    ///   - address: The client's network address. Failed authentication is throttled by client and address; without an address
    ///     it is not. It is evaluated only when it is needed.
    public init(
        _ channel: AuditChannel, requestID: String? = nil,
        address: @autoclosure @escaping @Sendable () -> String? = nil
    ) {
        self.channel = channel
        self.requestID = requestID
        self.address = address
    }

    /// The origin of a call that the host makes on its own account.
    public static let library = RequestOrigin(.library)
}

/// The tokens that answer a request (RFC 6749 section 5.1). They are on the disk when the caller gets them.
public struct TokenResponse: Sendable {
    /// The access token, a bearer token (RFC 6750).
    public let accessToken: SecretBytes
    /// The refresh token; nil when the client is not registered for refresh tokens, or got an access token for itself.
    public let refreshToken: SecretBytes?
    /// The id_token as compact JWS (OpenID Connect Core section 3.1.3.3); nil unless the scope has `openid` and the issuer
    /// signs id_tokens.
    public let idToken: SecretBytes?
    /// The scope of the access token, which may be less than was asked for.
    public let scope: ScopeSet
    /// The time at which the access token expires.
    public let expiresAt: VaultInstant
    /// The lifetime of the access token in whole seconds, counted from this answer.
    public let expiresIn: Int64
    /// The lifetime of the refresh token in whole seconds, counted from this answer, unless it is used before
    /// (draft-ietf-oauth-refresh-token-expiration); nil without a refresh token.
    public let refreshTokenExpiresIn: Int64?
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
        refreshTokenExpiresIn = tokens.refreshExpiresIn
        grant = tokens.grant
        self.isReplayed = isReplayed
    }
}
