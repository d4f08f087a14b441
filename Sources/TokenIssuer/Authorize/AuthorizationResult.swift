public import TokenVault
public import VaultCore

/// The next step of an authorization request.
public enum AuthorizationResult: Sendable {
    /// An error page for the user. It is never sent to the redirect URI, which may not be the client's.
    case page(OAuthError)
    /// The URL with the answer, to redirect the browser to.
    case redirect(SecretText)
    /// The answer, for a page that has the browser post it to the client.
    case post(PostedAnswer)
    /// The user must sign in, or sign in again.
    case needsSignIn(PendingAuthorization)
    /// The user must be asked for consent.
    case needsConsent(PendingAuthorization, User)
}

/// An answer as the fields of a form (OAuth 2.0 Form Post Response Mode).
public struct PostedAnswer: Sendable {
    /// Where the form leads: a redirect URI of the client's own.
    public let action: String
    public let fields: Secret<[(name: String, value: String)]>
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
    var responder: AuthorizationResponder
}

/// Why a request is not in order.
enum AuthorizationRefusal: Error {
    case page(OAuthError)
    case answer(AuthorizationResult)

    var result: AuthorizationResult {
        switch self {
        case .page(let error): .page(error)
        case .answer(let result): result
        }
    }
}

/// Where the answer to an authorization request goes, and how it is written. Exists only for a redirect URI
/// that was found to be the client's own.
package struct AuthorizationResponder: Sendable {
    /// Where in the redirect URI the answer stands (OAuth 2.0 Multiple Response Type Encoding Practices, section 2.1), or
    /// that it is posted there.
    package enum Mode: String, Sendable, CaseIterable {
        case query
        case fragment
        case formPost = "form_post"
    }

    package let redirectURI: String
    let mode: Mode
    let state: String?
    let issuer: String
    /// Whether an error goes there before the user has decided anything. RFC 9700 section 4.11.2: "The authorization server
    /// SHOULD only automatically redirect the user agent if it trusts the redirect URI." Anyone may register one where
    /// clients register themselves, and a wrong request would make this server a link to it.
    var isTrusted: Bool

    /// RFC 6749 section 4.1.2.1.
    func answer(_ error: OAuthError) -> AuthorizationResult {
        guard isTrusted else { return .page(error) }
        return answer([("error", error.code.rawValue), ("error_description", error.description)])
    }

    /// The answer with `state` and `iss`, in the redirect URI or for it. RFC 9207 section 2: "authorization
    /// servers supporting this specification MUST indicate their identity by including the iss parameter in
    /// the response", error responses too.
    func answer(_ parameters: [(name: String, value: String)]) -> AuthorizationResult {
        var parameters = parameters
        if let state { parameters.append(("state", state)) }
        parameters.append(("iss", issuer))
        switch mode {
        case .query: return .redirect(Secret(Self.uri(redirectURI, query: parameters)))
        case .fragment: return .redirect(Secret(redirectURI + "#" + FormCoding.encode(parameters)))
        case .formPost: return .post(PostedAnswer(action: redirectURI, fields: Secret(parameters)))
        }
    }

    /// A URI, which may have a query, with further parameters in it.
    static func uri(_ uri: String, query parameters: [(name: String, value: String)]) -> String {
        guard !parameters.isEmpty else { return uri }
        let hasQuery = uri.utf8.contains(UInt8(ascii: "?"))
        let separator = !hasQuery ? "?" : uri.hasSuffix("?") || uri.hasSuffix("&") ? "" : "&"
        return uri + separator + FormCoding.encode(parameters)
    }
}

/// A URL with a code or a token in it.
public typealias SecretText = Secret<String>
