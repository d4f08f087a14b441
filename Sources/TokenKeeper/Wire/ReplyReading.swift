import VaultCore

/// What a provider's answer means: to a request for tokens, for the start of a device flow, or for a revocation.
package enum ReplyReading<Granted: Sendable>: Sendable {
    case granted(Granted)
    case refused(ProviderRefusal)
    /// 429 and 5xx other than 504: nothing was done, later.
    case busy(retryAfter: Duration?, diagnostic: String)
    /// 504, a redirect, or what no rule covers: the provider may have acted.
    case ambiguous(diagnostic: String)
    /// A success that cannot be read: it holds tokens that must not be lost.
    case unreadable(diagnostic: String)

    /// What an operator may be told of it; nil: nothing is wrong with it.
    var diagnostic: String? {
        switch self {
        case .granted: nil
        case .refused(let refusal): refusal.diagnostic
        case .busy(_, let text), .ambiguous(let text), .unreadable(let text): text
        }
    }
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
