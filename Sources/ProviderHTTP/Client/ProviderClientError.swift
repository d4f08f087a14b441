/// Why a call to a provider's API was not made.
public enum ProviderClientError: Error, Sendable, Equatable {
    /// The connection needs its user again; why, for operators.
    case needsConsent(reason: String)
    /// No token now; a later call may have one.
    case unavailable(retryAfter: Duration)
    /// The request brings a token of its own, in a header, in the query or in a form.
    case tokenAlreadyPresent
    /// Neither `https` nor `http` to this machine, or with user information or a fragment.
    case insecureURL
    /// Not one of the places that may see the token.
    case foreignOrigin
    /// The token has characters that no header and no query can carry.
    case malformedToken
}

extension ProviderClientError: CustomStringConvertible {
    public var description: String {
        switch self {
        case .needsConsent(let reason): "The user must connect again: \(reason)"
        case .unavailable(let span): "No token is to be had now; call again in \(span)."
        case .tokenAlreadyPresent:
            "The request already carries a token; leave it to the client, which sends it in one place."
        case .insecureURL: "Tokens go to https:// URLs, or to http:// on this machine; correct the URL."
        case .foreignOrigin:
            "The token may not be sent to this URL; name its origin when the client is made if it may."
        case .malformedToken: "The provider gave a token that cannot be sent; connect again or ask it why."
        }
    }
}
