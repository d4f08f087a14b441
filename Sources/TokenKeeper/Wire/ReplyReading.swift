package import VaultCore

/// What a provider's answer means.
package enum ReplyReading: Sendable {
    case granted(GrantedTokens)
    case refused(ProviderRefusal)
    /// 429 and 5xx other than 504: nothing was done, later.
    case busy(retryAfter: Duration?, diagnostic: String)
    /// 504, a redirect, or what no rule covers: the provider may have acted.
    case ambiguous(diagnostic: String)
    /// A success that cannot be read: it holds tokens that must not be lost.
    case unreadable(diagnostic: String)
}

/// Tokens as a provider gave them.
package struct GrantedTokens: Sendable {
    package var accessToken: SecretBytes
    /// Nil: the one that was there stays.
    package var refreshToken: SecretBytes?
    package var idToken: SecretBytes?
    /// As the provider wrote it, names joined by single spaces; nil: as asked for.
    package var scope: String?
    /// On our clock; nil: it does not expire.
    package var accessExpiresAt: VaultInstant?
    /// On our clock; nil: not told.
    package var refreshExpiresAt: VaultInstant?
    /// What the entry wants kept.
    package var metadata: [String: String] = [:]

    package init(accessToken: SecretBytes) { self.accessToken = accessToken }
}

/// An OAuth error.
package struct ProviderRefusal: Sendable, Equatable {
    package enum Kind: String, Sendable {
        /// `invalid_grant`, and in answer to a refresh whatever else says that only the user can help: the token or code is
        /// refused for good.
        case grant
        /// `invalid_client`: the registration is refused, not the user's grant.
        case client
        /// `unauthorized_client`, and 401 without a code: the registration or the token is refused; which is not told.
        case clientOrToken = "client-or-token"
        /// `authorization_pending`, `slow_down` of the device flow.
        case pending
        case slowDown = "slow-down"
        /// `access_denied`, `expired_token` of the device flow.
        case denied
        /// Anything else: the request was not to the provider's liking.
        case request

        /// Where no refresh token went out, what may be refused is the client.
        var isOfClient: Bool { self == .client || self == .clientOrToken }
    }

    package var kind: Kind
    /// The code as the standard spells it, `unauthorized` for 401 without one, or `other`: nothing of the provider's own text.
    package var code: String
    /// For operators: status, code, description; bounded, control characters and whatever was secret taken out.
    package var diagnostic: String

    package init(_ kind: Kind, code: String, diagnostic: String) {
        self.kind = kind
        self.code = code
        self.diagnostic = diagnostic
    }
}

/// What a provider's answer to a revocation means.
package enum RevocationReading: Sendable {
    /// It is revoked, or was not known: RFC 7009 section 2.2 makes no difference.
    case revoked
    case refused(ProviderRefusal)
    case busy(retryAfter: Duration?, diagnostic: String)
    case ambiguous(diagnostic: String)
}
