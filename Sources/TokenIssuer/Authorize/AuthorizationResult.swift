public import TokenVault
public import VaultCore

/// The next step of an authorization request.
public enum AuthorizationResult: Sendable {
    /// An error page for the user. It is never sent to the redirect URI, which may not be the client's.
    case page(OAuthError)
    /// The URL with the answer, to redirect the browser to.
    case redirect(SecretText)
    /// The user must sign in, or sign in again.
    case needsSignIn(PendingAuthorization)
    /// The user must be asked for consent.
    case needsConsent(PendingAuthorization, User)
}

/// The user who is signed in.
public struct AuthenticatedUser: Sendable {
    public var id: OwnerID
    /// The time the user authenticated (`auth_time`).
    public var authenticatedAt: VaultInstant
    /// The identifier of that session, unique: a form belongs to the session it was shown in.
    public var session: String

    public init(id: OwnerID, authenticatedAt: VaultInstant, session: String) {
        self.id = id
        self.authenticatedAt = authenticatedAt
        self.session = session
    }
}

/// The user's answer on the consent page.
public enum ConsentDecision: Sendable {
    /// The user allows the scope that the page named, and nothing that was requested since.
    case allow(ScopeSet)
    case deny
}

/// A valid authorization request that waits for the user.
public struct PendingAuthorization: Sendable {
    public internal(set) var client: Client
    /// The scope that the client will get.
    public let scope: ScopeSet
    /// The resource that its tokens will be for; nil: it named none.
    public let resource: ResourceIdentifier?
    /// The user that the client expects to sign in: unchecked text from the client.
    public let loginHint: String?
    /// The redirect URI that the answer goes to.
    public var redirectURI: String { responder.redirectURI }
    package let request: AuthorizationRequest
    let responseType: ResponseType
    let codeChallenge: String?
    let nonce: String?
    let prompts: Set<Prompt>
    let maximumAge: Duration?
    let responder: AuthorizationResponder
}

/// Why a request is not in order.
enum AuthorizationRefusal: Error {
    case page(OAuthError)
    case redirect(SecretText)

    var result: AuthorizationResult {
        switch self {
        case .page(let error): .page(error)
        case .redirect(let location): .redirect(location)
        }
    }
}

/// Where the answer to an authorization request goes, and how it is written. Exists only for a redirect URI
/// that was found to be the client's own.
package struct AuthorizationResponder: Sendable {
    /// Where in the redirect URI the answer stands (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1).
    package enum Mode: String, Sendable {
        case query
        case fragment
    }

    package let redirectURI: String
    let mode: Mode
    let state: String?
    let issuer: String

    /// RFC 6749 section 4.1.2.1.
    func location(_ error: OAuthError) -> SecretText {
        location([("error", error.code.rawValue), ("error_description", error.description)])
    }

    /// The redirect URI with the answer in it, and with `state` and `iss`. RFC 9207 section 2: "authorization
    /// servers supporting this specification MUST indicate their identity by including the iss parameter in
    /// the response", error responses too.
    func location(_ parameters: [(name: String, value: String)]) -> SecretText {
        var parameters = parameters
        if let state { parameters.append(("state", state)) }
        parameters.append(("iss", issuer))
        let separator =
            switch mode {
            case .fragment: "#"
            case .query where !redirectURI.utf8.contains(UInt8(ascii: "?")): "?"
            case .query: redirectURI.hasSuffix("?") || redirectURI.hasSuffix("&") ? "" : "&"
            }
        return Secret(redirectURI + separator + FormCoding.encode(parameters))
    }
}

/// A URL with a code or a token in it.
public typealias SecretText = Secret<String>
