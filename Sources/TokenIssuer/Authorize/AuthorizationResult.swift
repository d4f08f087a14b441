public import TokenVault
public import VaultCore

/// What comes next for an authorization request.
public enum AuthorizationResult: Sendable {
    /// Shown to the user and never sent to the redirect URI: that is not known to be the client's.
    case page(OAuthError)
    /// The answer, on its way to the client.
    case redirect(SecretText)
    /// The user must sign in, or sign in again.
    case needsSignIn(PendingAuthorization)
    /// The user must be asked.
    case needsConsent(PendingAuthorization, User)
}

/// Who is signed in.
public struct AuthenticatedUser: Sendable {
    public var id: OwnerID
    /// When the user proved who it is (`auth_time`).
    public var authenticatedAt: VaultInstant
    /// Names the session in which that was, and no other: a form belongs to the session it was shown in.
    public var session: String

    public init(id: OwnerID, authenticatedAt: VaultInstant, session: String) {
        self.id = id
        self.authenticatedAt = authenticatedAt
        self.session = session
    }
}

/// What the user answered on the consent page.
public enum ConsentDecision: Sendable {
    /// To what the page named, and to nothing that came to be asked since.
    case allow(ScopeSet)
    case deny
}

/// An authorization request that is in order, and waits for the user.
public struct PendingAuthorization: Sendable {
    public let client: Client
    /// What the client will get.
    public let scope: ScopeSet
    /// Whom the client expects to sign in; whatever it likes to send.
    public let loginHint: String?
    /// Where the answer goes.
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
